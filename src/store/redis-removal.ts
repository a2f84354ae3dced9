import { createHash } from "node:crypto";
import type { Owner } from "../domain/token.ts";
import type { Doomed, SetState, Step } from "./redis-families.ts";
import {
  childrenKey,
  indexKey,
  indexMember,
  labelKey,
  pauseKey,
  placesKey,
  recordKey,
  subjectsKey,
} from "./redis-keys.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";
import { tagIn } from "./shard.ts";

/** Tokens of one owner that go together: their records and the sets of their children must be as they were when they were read. */
export interface Removal extends Step {
  readonly owner: Owner;
  /** What the owner's index must hold. Undefined: that does not matter. */
  readonly index?: SetState | undefined;
}

/** Deletes the tokens in one step. Answers how many are gone, or undefined if something changed: nothing is deleted then. */
export async function removeTokens(client: ScriptedRedis, removal: Removal): Promise<number | undefined> {
  const { owner, tokens, sets, index } = removal;
  const tag = tagIn(tokens[0]?.id ?? "");
  const keys = new KeyList();
  keys.add(indexKey(tag, owner));
  keys.add(subjectsKey(tag, owner.tenant));
  keys.add(pauseKey(tag, owner));
  for (const { id } of tokens) keys.add(recordKey(id));
  for (const { id } of tokens) keys.add(childrenKey(id));
  const plan = {
    subject: owner.subject,
    permanent: tokens.some((token) => token.purgeTime === undefined),
    ids: tokens.map((token) => token.id),
    versions: tokens.map((token) => token.version),
    members: tokens.map(indexMember),
    index: index && fingerprint(index.members),
    families: sets.map(({ key, members }) => ({ key: keys.add(key), fingerprint: fingerprint(members) })),
    labels: tokens
      .filter((token) => token.holdsLabel)
      .map((token) => ({ key: keys.add(labelKey(tag, token)), id: token.id })),
    entries: [
      ...entriesOf(keys, tokens, (token) => (token.holdsPlace ? placesKey(tag, token) : undefined)),
      ...entriesOf(keys, tokens, ({ parentId }) => (parentId === "" ? undefined : childrenKey(parentId))),
    ],
  };
  const count = await client.removeTokens(keys.all.length, ...keys.all, JSON.stringify(plan));
  return count < 0 ? undefined : count;
}

/** Which tokens leave which set. */
function entriesOf(keys: KeyList, tokens: readonly Doomed[], keyOf: (token: Doomed) => string | undefined) {
  const entries = new Map<string, string[]>();
  for (const token of tokens) {
    const key = keyOf(token);
    if (key === undefined) continue;
    const members = entries.get(key);
    if (members) members.push(token.id);
    else entries.set(key, [token.id]);
  }
  return Array.from(entries, ([key, members]) => ({ key: keys.add(key), members }));
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
