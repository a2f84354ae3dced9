import type { Token } from "../domain/token.ts";
import { decodeRecord } from "./record.ts";
import { childrenKey, recordKey } from "./redis-keys.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";
import { REMOVE_BATCH } from "./token-store.ts";

/** How many records, members or sets one command reads, so that neither Redis nor we are long at it. */
const AT_ONCE = 200;

/** How many go in one step where one step can't hold all: the shorter the steps, the shorter others wait for one. */
export const STEP = REMOVE_BATCH / 5;

/** What of a token its removal needs: of very many, no more is kept. */
export type Doomed = Pick<
  Token,
  "id" | "version" | "tenant" | "subject" | "kind" | "label" | "parentId" | "purgeTime" | "holdsLabel" | "holdsPlace"
>;

/** What a set held when it was read. */
export interface SetState {
  readonly key: string;
  readonly members: readonly string[];
}

/** Tokens, parents before their children, with all that descends from them, and the sets that say so. */
export interface Family {
  readonly tokens: readonly Doomed[];
  readonly sets: readonly SetState[];
}

/** Some tokens of a family that go in one step, and what their sets of children hold by then. */
export type Step = Family;

/** The tokens with these ids, as far as there are such and `select` picks them. */
export async function readDoomed(
  client: ScriptedRedis,
  ids: readonly string[],
  select: (token: Token) => boolean,
): Promise<Doomed[]> {
  const doomed: Doomed[] = [];
  for (const some of inParts(ids)) {
    const records = await client.mgetBuffer(some.map(recordKey));
    some.forEach((id, position) => {
      const bytes = records[position];
      const token = bytes && decodeRecord(id, bytes);
      if (token && select(token)) doomed.push(doom(token));
    });
  }
  return doomed;
}

/** The tokens and all that descends from them. */
export async function readFamily(client: ScriptedRedis, roots: readonly Doomed[]): Promise<Family> {
  const tokens = new Map<string, Doomed>();
  const sets: SetState[] = [];
  for (let generation = roots; generation.length > 0; ) {
    for (const token of generation) tokens.set(token.id, token);
    const children: string[] = [];
    for (const set of await readSetsOfChildren(client, generation)) {
      sets.push(set);
      // A root may be another one's child.
      for (const id of set.members) if (!tokens.has(id)) children.push(id);
    }
    generation = await readDoomed(client, children, () => true);
  }
  return { tokens: sortFamily(tokens), sets };
}

/** Parents before their children. */
function sortFamily(tokens: ReadonlyMap<string, Doomed>): Doomed[] {
  const children = Map.groupBy(tokens.values(), ({ parentId }) => parentId);
  const sorted = [...tokens.values()].filter(({ parentId }) => !tokens.has(parentId));
  for (const parent of sorted) for (const child of children.get(parent.id) ?? []) sorted.push(child);
  return sorted;
}

/** All that a sorted set holds, in its order. Where it changes meanwhile, perhaps not quite. */
export async function readSet(client: ScriptedRedis, key: string): Promise<SetState> {
  const members: string[] = [];
  for (;;) {
    const some = await client.zrange(key, String(members.length), String(members.length + AT_ONCE - 1));
    for (const member of some) members.push(member);
    if (some.length < AT_ONCE) return { key, members };
  }
}

/**
 * A family in one step, or in several if it has more than `REMOVE_BATCH` tokens, the last generation first: whoever is stopped in
 * between leaves none without its parent, and the roots can be named again. Each step has what its tokens' sets of children hold
 * once those before it are done.
 */
export function* stepsOf({ tokens, sets }: Family): Generator<Step> {
  const states = new Map(sets.map((set) => [set.key, set.members]));
  const gone = new Set<string>();
  const most = tokens.length > REMOVE_BATCH ? STEP : REMOVE_BATCH;
  for (let end = tokens.length; end > 0; end -= most) {
    const step = tokens.slice(Math.max(0, end - most), end);
    const left = step.map(({ id }) => {
      const key = childrenKey(id);
      return { key, members: (states.get(key) ?? []).filter((child) => !gone.has(child)) };
    });
    yield { tokens: step, sets: left.filter(({ members }) => members.length > 0) };
    for (const { id } of step) gone.add(id);
  }
}

/** The sets of children, where there are any. */
async function readSetsOfChildren(client: ScriptedRedis, parents: readonly Doomed[]): Promise<SetState[]> {
  const sets: SetState[] = [];
  for (const some of inParts(parents)) {
    const keys = some.map(({ id }) => childrenKey(id));
    // Most tokens have none, and asking about all of them at once costs little.
    if ((await client.exists(keys)) === 0) continue;
    for (const set of await Promise.all(keys.map((key) => readSet(client, key)))) {
      if (set.members.length > 0) sets.push(set);
    }
  }
  return sets;
}

function doom(token: Token): Doomed {
  const { id, version, tenant, subject, kind, label, parentId, purgeTime, holdsLabel, holdsPlace } = token;
  return { id, version, tenant, subject, kind, label, parentId, purgeTime, holdsLabel, holdsPlace };
}

function* inParts<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += AT_ONCE) yield items.slice(start, start + AT_ONCE);
}
