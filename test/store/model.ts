import fc from "fast-check";
import { expect } from "vitest";
import { changed, holdsUntil, type Owner, type Token } from "../../src/domain/token.ts";
import type { InsertOptions, Mark, TokenStore } from "../../src/store/token-store.ts";
import { newOwner, newToken } from "./tokens.ts";

/** Runs random operations, one after the other, on a store and on a model of it: the answers must be the same. */
export async function compareWithModel(store: TokenStore): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 5, maxLength: 40 }), async (steps) => {
      const { tenant } = newOwner();
      const model = new Model(store, [
        { tenant, subject: "a" },
        { tenant, subject: "b" },
      ]);
      for (const step of steps) await runStep(store, model, step);
      await comparePages(store, model, tenant);
    }),
    { numRuns: 40 },
  );
}

const pick = fc.nat({ max: 30 });
const fields = {
  kind: fc.constantFrom("session", "personal"),
  label: fc.constantFrom("x", "y"),
  holdsLabel: fc.boolean(),
  expireTime: fc.constantFrom(undefined, undefined, undefined, 1),
  usesLeft: fc.constantFrom(undefined, undefined, 1, 0),
};

const anyChange = fc
  .record({ ...fields, purgeTime: fc.constantFrom(undefined, 4e12) }, { requiredKeys: [] })
  .map(({ kind: _, ...rest }) => rest);
const anyName = fc.constantFrom("a", "b", "c", "d");
const anyMark = fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: anyName });

const anyStep = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("insert" as const),
      owner: fc.nat({ max: 1 }),
      parent: fc.option(pick),
      parentChange: fc.option(anyChange),
      stale: fc.boolean(),
      mark: anyMark,
      cap: fc.constantFrom(undefined, 1, 2),
      fields: fc.record({ ...fields, holdsPlace: fc.boolean(), createTime: fc.nat({ max: 3 }) }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("replace" as const),
      token: pick,
      stale: fc.boolean(),
      mark: anyMark,
      fields: anyChange,
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("remove" as const), token: pick }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("removeAll" as const), owner: fc.nat({ max: 1 }), kind: fields.kind }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("claim" as const),
      owner: fc.nat({ max: 1 }),
      name: anyName,
      value: fc.string(),
    }),
  },
);

type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;

/** What a store should hold, written down in the plainest way. */
class Model {
  readonly owners: readonly Owner[];
  readonly made: Token[] = [];
  readonly live = new Map<string, Token>();
  readonly #claims = new Map<string, string>();
  readonly #store: TokenStore;

  constructor(store: TokenStore, owners: readonly Owner[]) {
    this.#store = store;
    this.owners = owners;
  }

  make(step: Extract<Step, { type: "insert" }>): [Token, InsertOptions] {
    const owner = this.owners[step.owner] as Owner;
    const siblings = this.made.filter((token) => token.subject === owner.subject);
    const made = step.parent === null ? undefined : siblings[step.parent % Math.max(siblings.length, 1)];
    const token = newToken(this.#store, owner, { ...step.fields, parentId: made?.id ?? "" });
    this.made.push(token);
    const previous = made && this.versionOf(made, step.stale);
    const parent = previous && step.parentChange && { previous, next: changed(previous, step.parentChange) };
    return [token, { cap: step.cap, parent: parent || undefined, mark: markOf(step.mark, token.id) }];
  }

  /** What a caller takes for the token: what it is, or was at first. */
  versionOf(made: Token, stale: boolean): Token {
    return stale ? made : (this.live.get(made.id) ?? made);
  }

  insert(token: Token, { cap = Number.POSITIVE_INFINITY, parent, mark }: InsertOptions): string {
    if (mark && this.findClaim(token, mark.name) !== undefined) return "repeated";
    if (token.parentId !== "" && !this.live.has(token.parentId)) return "parent-gone";
    const before = new Map(this.live);
    const outcome = parent ? this.replace(parent.previous, parent.next) : "replaced";
    if (outcome !== "replaced") return outcome;
    const refusal = this.#refuse(token, cap);
    if (refusal) {
      for (const [id, known] of before) this.live.set(id, known);
      return refusal;
    }
    this.live.set(token.id, token);
    if (mark) this.claim(token, mark);
    return "inserted";
  }

  replace(previous: Token, next: Token, mark?: Mark): string {
    if (mark && this.findClaim(next, mark.name) !== undefined) return "repeated";
    if (this.live.get(previous.id)?.version !== previous.version) return "conflict";
    const takes = next.holdsLabel && (next.label !== previous.label || isLive(next));
    if (takes && this.#hasLabel(next)) return "label-taken";
    this.live.set(next.id, next);
    if (mark) this.claim(next, mark);
    return "replaced";
  }

  claim(owner: Owner, { name, value }: Pick<Mark, "name" | "value">): string {
    const known = this.findClaim(owner, name) ?? value;
    this.#claims.set(this.#claimKey(owner, name), known);
    return known;
  }

  findClaim(owner: Owner, name: string): string | undefined {
    return this.#claims.get(this.#claimKey(owner, name));
  }

  remove(picked: readonly Token[]): number {
    const doomed = new Set(picked.map((token) => token.id));
    for (const id of doomed) for (const token of this.live.values()) if (token.parentId === id) doomed.add(token.id);
    for (const id of doomed) this.live.delete(id);
    return doomed.size;
  }

  list(owner: Owner): Token[] {
    const tokens = [...this.live.values()].filter((token) => token.subject === owner.subject);
    return tokens.sort((a, b) => b.createTime - a.createTime || (a.id < b.id ? 1 : -1));
  }

  #refuse(token: Token, cap: number): string | undefined {
    const places = this.#peersOf(token).filter((peer) => peer.holdsPlace && isLive(peer));
    if (token.holdsLabel && this.#hasLabel(token)) return "label-taken";
    return token.holdsPlace && places.length >= cap ? "cap-reached" : undefined;
  }

  #claimKey(owner: Owner, name: string): string {
    return `${this.#store.shardTag(owner)} ${name}`;
  }

  #hasLabel(token: Token): boolean {
    return this.#peersOf(token).some((peer) => peer.holdsLabel && isLive(peer) && peer.label === token.label);
  }

  #peersOf({ id, subject, kind }: Token): Token[] {
    return [...this.live.values()].filter((peer) => peer.subject === subject && peer.kind === kind && peer.id !== id);
  }
}

function isLive(token: Token): boolean {
  return (holdsUntil(token) ?? Number.POSITIVE_INFINITY) > Date.now();
}

async function runStep(store: TokenStore, model: Model, step: Step): Promise<void> {
  if (step.type === "insert") {
    const [token, options] = model.make(step);
    expect(await store.insert(token, options)).toBe(model.insert(token, options));
    return;
  }
  if (step.type === "claim") {
    const owner = model.owners[step.owner] as Owner;
    const claim = { tag: store.shardTag(owner), name: step.name, value: step.value, until: 4e12 };
    expect(await store.findClaim(claim.tag, claim.name)).toBe(model.findClaim(owner, claim.name));
    expect(await store.claim(claim)).toBe(model.claim(owner, claim));
    return;
  }
  if (step.type === "removeAll") {
    const owner = model.owners[step.owner] as Owner;
    const select = (token: Token) => token.kind === step.kind;
    expect(await store.removeAll(owner, select)).toBe(model.remove(model.list(owner).filter(select)));
    return;
  }
  const made = model.made[step.token % Math.max(model.made.length, 1)];
  if (!made) return;
  const current = model.live.get(made.id);
  expect(await store.find(made.id)).toEqual(current);
  if (step.type === "remove") {
    expect(await store.remove(made.id)).toBe(current ? model.remove([current]) : 0);
    return;
  }
  const previous = model.versionOf(made, step.stale);
  const next = changed(previous, step.fields);
  const mark = markOf(step.mark, made.id);
  expect(await store.replace(previous, next, mark)).toBe(model.replace(previous, next, mark));
}

function markOf(name: string | null, value: string): Mark | undefined {
  return name === null ? undefined : { name, value, until: 4e12 };
}

async function comparePages(store: TokenStore, model: Model, tenant: string): Promise<void> {
  const owners = model.owners.toSorted((a, b) => (store.shardTag(a) < store.shardTag(b) ? -1 : 1));
  for (const owner of owners) expect(await store.page({ ...owner, limit: 100 })).toEqual(model.list(owner));
  expect(await store.page({ tenant, limit: 100 })).toEqual(owners.flatMap((owner) => model.list(owner)));
}
