import type { Owner, Token } from "../domain/token.ts";
import type { RedisConnection } from "./redis-connection.ts";
import { type Doomed, readDoomed, readFamily, readSet, stepsOf } from "./redis-families.ts";
import { idOfMember, indexKey, pauseKey } from "./redis-keys.ts";
import type { Removal } from "./redis-removal.ts";
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
const SCAN = 500;
/** From how many tokens on a step takes long enough that others must come in between it and the next. */
const LARGE = 50;

type Select = (token: Token) => boolean;

/**
 * `TokenStore.remove` and `removeAll` on Redis. Everything is read in small parts and removed in small steps, so that others wait
 * for none of them, and each part is read once, however many there are.
 */
export class RedisRemover {
  readonly #reader: RedisConnection;
  readonly #writer: RedisConnection;
  readonly #run: (removal: Removal) => Promise<number | undefined>;
  #largeSteps: Promise<unknown> = Promise.resolve();

  /** @param run carries out one step, as `removeTokens` does. */
  constructor(
    reader: RedisConnection,
    writer: RedisConnection,
    run: (removal: Removal) => Promise<number | undefined>,
  ) {
    this.#reader = reader;
    this.#writer = writer;
    this.#run = run;
  }

  remove(id: string): Promise<number> {
    return this.#removeFamilies([id], undefined, () => true);
  }

  async removeAll(tag: string, owner: Owner, select: Select): Promise<number> {
    const key = indexKey(tag, owner);
    const known = new Set<string>();
    let removed = 0;
    for (let round = 0; round < MAX_PLANS; round++) {
      const pausedAt = performance.now();
      const isPaused = round >= PAUSING_PLAN;
      if (isPaused) await this.#pause(owner, tag);
      if ((await this.#reader.read((client) => client.zcard(key))) <= REMOVE_BATCH) {
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
    const { index, family } = await this.#reader.read(async (client) => {
      const set = await readSet(client, indexKey(tag, owner));
      const ids = set.members.map((member) => idOfMember(tag, member));
      return { index: set, family: await readFamily(client, await readDoomed(client, ids, select)) };
    });
    const [step, ...others] = stepsOf(family);
    if (!step) return 0;
    return others.length > 0 ? undefined : this.#carryOut({ owner, ...step, index });
  }

  /**
   * Goes through an index and removes what is picked of the members that are not known yet, which are known then. A scan names each
   * member that is there from its beginning to its end, whatever comes and goes meanwhile.
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
    const removeWaiting = async (least: number) => {
      while (waiting.length >= least && waiting.length > 0) {
        const roots = waiting.slice(0, REMOVE_BATCH);
        waiting = waiting.slice(REMOVE_BATCH);
        picked += roots.length;
        count += await this.#removeFamilies(
          roots.map(({ id }) => id),
          roots,
          select,
        );
      }
    };
    let cursor = "0";
    do {
      const { next, fresh, doomed } = await this.#reader.read(async (client) => {
        const [next, entries] = await client.zscan(index, cursor, "COUNT", SCAN);
        const fresh = entries.filter((entry, position) => position % 2 === 0 && !known.has(entry));
        const ids = fresh.map((member) => idOfMember(tag, member));
        return { next, fresh, doomed: await readDoomed(client, ids, select) };
      });
      cursor = next;
      for (const member of fresh) known.add(member);
      for (const token of doomed) waiting.push(token);
      // One more than a step holds: whether that is all, is known at the end only.
      await removeWaiting(REMOVE_BATCH + 1);
    } while (cursor !== "0");
    await removeWaiting(0);
    return { picked, count };
  }

  /** Removes those of the tokens that `select` picks, with all that descends from them. `picked`: these, as they were read just now. */
  async #removeFamilies(
    ids: readonly string[],
    picked: readonly Doomed[] | undefined,
    select: Select,
  ): Promise<number> {
    let removed = 0;
    let roots = picked;
    for (let plan = 0; plan < MAX_PLANS; plan++) {
      const family = await this.#reader.read(async (client) => {
        return readFamily(client, roots ?? (await readDoomed(client, ids, select)));
      });
      // Whatever comes next, what was read does not count any more.
      roots = undefined;
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
    await this.#writer.use((client) => client.pauseOwner(pauseKey(tag, owner), PAUSE));
  }
}
