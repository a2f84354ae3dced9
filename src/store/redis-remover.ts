import type { Owner, Token } from "../domain/token.ts";
import { type Doomed, readDoomed, readFamily, readSet, STEP, stepsOf } from "./redis-families.ts";
import { idOfMember, indexKey, indexMember, pauseKey, recordKey } from "./redis-keys.ts";
import type { RedisNodes, RedisReads } from "./redis-nodes.ts";
import type { Removal } from "./redis-removal.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";
import { contended } from "./rules.ts";
import { tagIn } from "./shard.ts";
import { REMOVE_BATCH } from "./token-store.ts";

/** How often a removal plans anew when others change the same tokens meanwhile, */
const MAX_PLANS = 10;
/** and from which plan on it holds up the owner's other writes, so that nobody can keep a token alive by being busy. */
const PAUSING_PLAN = 3;
/** For how long it does, in milliseconds. */
export const PAUSE = 1000;
/** How many members of an index one command reads. */
export const SCAN = 200;
/** From how many tokens on a step takes long enough that others must come in between it and the next. */
const LARGE = 50;

type Select = (token: Token) => boolean;

interface Part {
  /** Where the next part begins, or "0" after the last one. A cursor means something to the process only that gave it. */
  readonly cursor: string;
  /** Over which it came. */
  readonly connection: unknown;
  /** Of the members that are not known yet, those that are picked, and those that are not. */
  readonly doomed: readonly Doomed[];
  readonly kept: readonly string[];
}

/** Reads a part of an index. */
async function scanIndex(
  client: ScriptedRedis,
  tag: string,
  index: string,
  from: string,
  known: ReadonlySet<string>,
  select: Select,
): Promise<Part> {
  const { stream } = client;
  const [cursor, entries] = await client.zscan(index, from, "COUNT", SCAN);
  const fresh = entries.filter((entry, position) => position % 2 === 0 && !known.has(entry));
  const ids = fresh.map((member) => idOfMember(tag, member));
  const doomed = await readDoomed(client, ids, select);
  const gone = new Set(doomed.map(indexMember));
  return { cursor, connection: stream, kept: fresh.filter((member) => !gone.has(member)), doomed };
}

/**
 * `TokenStore.remove` and `removeAll` on Redis. Everything is read in small parts and removed in small steps, so that others wait
 * for none of them, and each part is read once, however many there are.
 */
export class RedisRemover {
  readonly #nodes: Pick<RedisNodes, "note">;
  readonly #reads: RedisReads;
  readonly #run: (removal: Removal) => Promise<number | undefined>;
  #largeSteps: Promise<unknown> = Promise.resolve();

  /** @param run carries out one step, as `removeTokens` does. */
  constructor(
    nodes: Pick<RedisNodes, "note">,
    reads: RedisReads,
    run: (removal: Removal) => Promise<number | undefined>,
  ) {
    this.#nodes = nodes;
    this.#reads = reads;
    this.#run = run;
  }

  async remove(id: string): Promise<number> {
    const root = await this.#reads.read(recordKey(id), (client) => readDoomed(client, [id], () => true));
    return this.#removeFamilies(root, () => true);
  }

  async removeAll(tag: string, owner: Owner, select: Select): Promise<number> {
    const key = indexKey(tag, owner);
    const known = new Set<string>();
    let removed = 0;
    for (let round = 0; round < MAX_PLANS; round++) {
      const pausedAt = performance.now();
      const isPaused = round >= PAUSING_PLAN;
      if (isPaused) await this.#pause(owner, tag);
      if ((await this.#reads.read(key, (client) => client.zcard(key))) <= REMOVE_BATCH) {
        const count = await this.#removeAtOnce(tag, owner, select);
        if (count !== undefined) return removed + count;
        continue;
      }
      const { picked, count } = await this.#removeUnknown(tag, key, select, known);
      removed += count;
      // Nobody could add to what was picked before it went: the step that took it was the last, and began under the pause.
      const wasHeld = isPaused && Math.max(picked, count) <= REMOVE_BATCH && performance.now() - pausedAt < PAUSE;
      if (picked === 0 || wasHeld) return removed;
    }
    throw contended();
  }

  /** Removes what is picked of all the owner's tokens in one step. Undefined: others came in between, nothing is removed. */
  async #removeAtOnce(tag: string, owner: Owner, select: Select): Promise<number | undefined> {
    const key = indexKey(tag, owner);
    const { index, family } = await this.#reads.read(key, async (client) => {
      const set = await readSet(client, key);
      const ids = set.members.map((member) => idOfMember(tag, member));
      return { index: set, family: await readFamily(client, await readDoomed(client, ids, select)) };
    });
    const [step, ...others] = stepsOf(family);
    if (!step) return 0;
    return others.length > 0 ? undefined : this.#carryOut({ owner, ...step, index });
  }

  /**
   * Goes through an index and removes what is picked of the members that are not known yet; the rest is known then. A scan names each
   * member that is there from its beginning to its end, whatever comes and goes meanwhile, but only within one process of Redis: after
   * a failover, or where the slot moves, it starts again.
   */
  async #removeUnknown(
    tag: string,
    index: string,
    select: Select,
    known: Set<string>,
  ): Promise<{ picked: number; count: number }> {
    let picked = 0;
    let count = 0;
    let waiting: Doomed[] = [];
    const removeSome = async (most: number) => {
      const roots = waiting.slice(0, most);
      waiting = waiting.slice(most);
      picked += roots.length;
      count += await this.#removeFamilies(roots, select);
    };
    const read = (cursor: string) =>
      this.#reads.read(index, (client) => scanIndex(client, tag, index, cursor, known, select));
    let scanned: unknown;
    let restarts = 0;
    for (let reading = read("0"); ; ) {
      const { cursor, connection, kept, doomed } = await reading;
      for (const member of kept) known.add(member);
      const isOther = scanned !== undefined && connection !== scanned;
      scanned = connection;
      if (isOther) {
        if (++restarts > MAX_PLANS) throw contended();
        reading = read("0");
        continue;
      }
      for (const token of doomed) waiting.push(token);
      if (cursor === "0") break;
      // What comes next is read while this goes.
      reading = read(cursor);
      reading.catch(() => {});
      // What one step holds waits: whether it is all, is known at the end only.
      while (waiting.length > REMOVE_BATCH) await removeSome(STEP);
    }
    while (waiting.length > 0) await removeSome(waiting.length > REMOVE_BATCH ? STEP : REMOVE_BATCH);
    return { picked, count };
  }

  /** Removes the tokens, as far as `select` still picks them, with all that descends from them. */
  async #removeFamilies(roots: readonly Doomed[], select: Select): Promise<number> {
    const [first] = roots;
    if (!first) return 0;
    let removed = 0;
    for (let plan = 0, isFresh = true; plan < MAX_PLANS; plan++, isFresh = false) {
      const family = await this.#reads.read(recordKey(first.id), async (client) => {
        const ids = roots.map(({ id }) => id);
        return readFamily(client, isFresh ? roots : await readDoomed(client, ids, select));
      });
      const [owner] = family.tokens;
      if (!owner) return removed;
      let count: number | undefined;
      for (const step of stepsOf(family)) {
        count = await this.#carryOut({ owner, ...step });
        if (count === undefined) break;
        removed += count;
        plan = 0;
      }
      if (count !== undefined) return removed;
      if (plan >= PAUSING_PLAN) await this.#pause(owner, tagIn(owner.id));
    }
    throw contended();
  }

  /** Large steps go one after the other, also those of several removals: together they would be one long one. */
  #carryOut(removal: Removal): Promise<number | undefined> {
    if (removal.tokens.length < LARGE) return this.#run(removal);
    const step = this.#largeSteps.then(() => this.#run(removal));
    this.#largeSteps = step.catch(() => {});
    return step;
  }

  async #pause(owner: Owner, tag: string): Promise<void> {
    const key = pauseKey(tag, owner);
    await this.#nodes.note(key, (client) => client.pauseOwner(key, PAUSE));
  }
}
