import { createHash } from "node:crypto";
import type { Owner, Token } from "../domain/token.ts";
import {
  childrenKey,
  idOfMember,
  indexKey,
  indexMember,
  labelKey,
  pauseKey,
  placesKey,
  recordKey,
  subjectsKey,
} from "./redis-keys.ts";
import { readRecords } from "./redis-pages.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";
import { REMOVE_BATCH } from "./token-store.ts";

/** How many sets one round trip reads, so that none takes long. */
const SETS_AT_ONCE = 1000;

/** What a set held when the plan was made. */
interface SetState {
  readonly key: string;
  readonly members: readonly string[];
}

/** Tokens of one owner that go together, and what must not have changed since they were chosen. */
export interface Removal {
  readonly tag: string;
  readonly owner: Owner;
  readonly tokens: readonly Token[];
  /** Those whose record must be the same still. */
  readonly unchanged: readonly Token[];
  readonly sets: readonly SetState[];
}

/** A token, all that descends from it, and the sets that say so. Undefined if there is no such token. */
export async function findFamily(
  client: ScriptedRedis,
  id: string,
): Promise<Pick<Removal, "tokens" | "sets"> | undefined> {
  const [root] = await readRecords(client, [id]);
  if (!root) return undefined;
  const tokens: Token[] = [];
  const sets: SetState[] = [];
  for (let generation = [root]; generation.length > 0; ) {
    const families = await readFamilies(client, generation);
    for (const token of generation) tokens.push(token);
    for (const family of families) sets.push(family);
    const found = await readRecords(
      client,
      families.flatMap(({ members }) => members),
    );
    generation = found.filter((token) => token !== undefined);
  }
  return { tokens, sets };
}

/** The sets of children, as many at once as Redis answers in time. */
async function readFamilies(client: ScriptedRedis, parents: readonly Token[]): Promise<SetState[]> {
  const families: SetState[] = [];
  for (let start = 0; start < parents.length; start += SETS_AT_ONCE) {
    const some = parents.slice(start, start + SETS_AT_ONCE);
    families.push(...(await Promise.all(some.map(({ id }) => readSet(client, childrenKey(id))))));
  }
  return families;
}

/**
 * A family in steps of `REMOVE_BATCH` tokens, the last generation first: whoever is stopped in between leaves none without its
 * parent, and the root can be named again. Each step holds what its tokens' sets of children hold once those before it are done.
 */
export function* stepsOf({
  tokens,
  sets,
}: Pick<Removal, "tokens" | "sets">): Generator<Omit<Removal, "tag" | "owner">> {
  const states = new Map(sets.map((set) => [set.key, set]));
  const gone = new Set<string>();
  for (let end = tokens.length; end > 0; end -= REMOVE_BATCH) {
    const step = tokens.slice(Math.max(0, end - REMOVE_BATCH), end);
    const own = step.flatMap(({ id }) => states.get(childrenKey(id)) ?? []);
    const left = own.map(({ key, members }) => ({ key, members: members.filter((id) => !gone.has(id)) }));
    yield { tokens: step, unchanged: step, sets: left };
    for (const { id } of step) gone.add(id);
  }
}

export async function readSet(client: ScriptedRedis, key: string): Promise<SetState> {
  return { key, members: await client.zrange(key, "0", "-1") };
}

/**
 * An owner's tokens that `select` picks and their descendants, these first. All of them have the same owner, so its
 * index names them all.
 */
export function chooseTokens(tokens: Iterable<Token>, select: (token: Token) => boolean): Token[] {
  const all = [...tokens];
  const children = Map.groupBy(all, (token) => token.parentId);
  const chosen = new Set(all.filter(select));
  for (const parent of chosen) for (const child of children.get(parent.id) ?? []) chosen.add(child);
  return [...chosen].reverse();
}

/** The tokens that an index names; what is in `known` already is not read again. */
export async function readMembers(
  client: ScriptedRedis,
  tag: string,
  members: readonly string[],
  known: ReadonlyMap<string, Token>,
): Promise<Map<string, Token>> {
  const missing = members.filter((member) => !known.has(member));
  const found = await readRecords(
    client,
    missing.map((member) => idOfMember(tag, member)),
  );
  const tokens = new Map<string, Token>();
  missing.forEach((member, position) => {
    const token = found[position];
    if (token) tokens.set(member, token);
  });
  for (const member of members) {
    const token = known.get(member);
    if (token) tokens.set(member, token);
  }
  return tokens;
}

/** Deletes the tokens in one step. Answers how many are gone, or undefined if something changed: nothing is deleted then. */
export async function removeTokens(client: ScriptedRedis, removal: Removal): Promise<number | undefined> {
  const { tag, owner, tokens } = removal;
  const keys = new KeyList();
  const index = keys.add(indexKey(tag, owner));
  keys.add(subjectsKey(tag, owner.tenant));
  keys.add(pauseKey(tag, owner));
  const parents = new Set(tokens.map((token) => token.parentId));
  const filled = new Set(removal.sets.filter(({ members }) => members.length > 0).map(({ key }) => key));
  const placed = tokens.filter((token) => token.holdsPlace);
  const plan = {
    subject: owner.subject,
    permanent: tokens.some((token) => token.purgeTime === undefined),
    ids: tokens.map((token) => token.id),
    sets: removal.sets.map(({ key, members }) => ({ key: keys.add(key), fingerprint: fingerprint(members) })),
    versions: removal.unchanged.map(({ id, version }) => ({ key: keys.add(recordKey(id)), version })),
    records: tokens.map(({ id }) => keys.add(recordKey(id))),
    labels: tokens
      .filter((token) => token.holdsLabel)
      .map((token) => ({ key: keys.add(labelKey(tag, token)), id: token.id })),
    entries: [
      ...tokens.map((token) => ({ key: index, member: indexMember(token) })),
      ...placed.map((token) => ({ key: keys.add(placesKey(tag, token)), member: token.id })),
      ...tokens
        .filter((token) => token.parentId !== "")
        .map((token) => ({ key: keys.add(childrenKey(token.parentId)), member: token.id })),
    ],
    families: tokens
      .filter(({ id }) => parents.has(id) || filled.has(childrenKey(id)))
      .map(({ id }) => keys.add(childrenKey(id))),
  };
  const count = await client.removeTokens(keys.all.length, ...keys.all, JSON.stringify(plan));
  return count < 0 ? undefined : count;
}

/** The keys of a script, each once. */
class KeyList {
  readonly #positions = new Map<string, number>();

  /** Answers the key's place in KEYS, which counts from 1. */
  add(key: string): number {
    const position = this.#positions.get(key) ?? this.#positions.size + 1;
    this.#positions.set(key, position);
    return position;
  }

  get all(): string[] {
    return [...this.#positions.keys()];
  }
}

function fingerprint(members: readonly string[]): string {
  return createHash("sha1").update(members.join(" ")).digest("hex");
}
