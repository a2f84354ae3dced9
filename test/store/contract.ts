import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { changed, type Owner, type Token } from "../../src/domain/token.ts";
import type { Change, PageRange, TokenStore } from "../../src/store/token-store.ts";
import { describeNames } from "./contract-names.ts";
import { describeParents } from "./contract-parents.ts";
import { describeRemovals } from "./contract-removals.ts";
import { describeUses } from "./contract-uses.ts";
import { compareWithModel } from "./model.ts";
import { HOUR, insertToken, newOwner, newToken, WEIRD_NAMES } from "./tokens.ts";

/** Opens a store; the second call sees the data of the first. */
export type OpenStore = () => Promise<TokenStore>;

/**
 * Holds a store to the promises of `TokenStore`.
 *
 * @param timesTold how often it tells of a change of its own
 */
export function describeTokenStore(name: string, open: OpenStore, timesTold = 1): void {
  describe(name, () => {
    let store: TokenStore;
    beforeAll(async () => {
      store = await open();
    });
    afterAll(() => store.close());

    const insert = (owner: Owner, fields?: Partial<Token>) => insertToken(store, owner, fields);
    const ids = (tokens: readonly (Token | undefined)[]) => tokens.map((token) => token?.id);
    const list = async (range: Omit<PageRange, "limit">) => ids(await store.page({ ...range, limit: 1000 }));

    describe("records", () => {
      it("finds a token as it was inserted", async () => {
        const claims = { a: [1, null, { b: "ü" }] };
        const token = await insert(newOwner(), { claims, expireTime: Date.now() + HOUR, purgeTime: Date.now() + HOUR });
        expect(await store.find(token.id)).toEqual(token);
      });

      it("finds nothing under an unknown, empty or hostile id", async () => {
        for (const id of ["", "a", "000unknown", "ab{", "}{}", "*", "000' OR 1=1 --"]) {
          expect(await store.find(id)).toBeUndefined();
          expect(await store.remove(id)).toBe(0);
        }
      });

      it("finds many in the order asked for, with gaps and repeats", async () => {
        const [a, b] = [await insert(newOwner()), await insert(newOwner("bob"))];
        expect(await store.findMany([b.id, "000nothing", a.id, b.id])).toEqual([b, undefined, a, b]);
        expect(await store.findMany([])).toEqual([]);
      });

      it("keeps a repeated insert as one token", async () => {
        const token = await insert(newOwner());
        expect(await store.insert(token)).toBe("inserted");
        expect(await list(token)).toEqual([token.id]);
      });

      it("refuses another token under an id that is there", async () => {
        const token = await insert(newOwner());
        await expect(store.insert({ ...token, hint: "other" })).rejects.toMatchObject({ reason: "CONFLICT" });
        expect(await store.find(token.id)).toEqual(token);
      });

      it("gives equal owners equal tags of three base62 characters, and different ones different tags as a rule", () => {
        const owner = newOwner();
        expect(store.shardTag(owner)).toMatch(/^[0-9A-Za-z]{3}$/);
        expect(store.shardTag({ ...owner })).toBe(store.shardTag(owner));
        const tags = Array.from({ length: 50 }, (_, n) => store.shardTag(newOwner(`s${n}`)));
        expect(new Set(tags).size).toBeGreaterThan(40);
      });
    });

    describe("replace", () => {
      it("puts the next version in place", async () => {
        const token = await insert(newOwner());
        const next = changed(token, { active: false, lastUsedTime: 5 });
        expect(await store.replace(token, next)).toBe("replaced");
        expect(await store.find(token.id)).toEqual(next);
      });

      it("is a conflict when the version is stale or the token is gone", async () => {
        const token = await insert(newOwner());
        await store.replace(token, changed(token, {}));
        expect(await store.replace(token, changed(token, { active: false }))).toBe("conflict");
        await store.remove(token.id);
        expect(await store.replace(changed(token, {}), changed(changed(token, {}), {}))).toBe("conflict");
      });

      it("lets exactly one of 100 replacements of one version win", async () => {
        const token = await insert(newOwner());
        const answers = await Promise.all(
          Array.from({ length: 100 }, (_, n) => store.replace(token, changed(token, { hint: `winner ${n}` }))),
        );
        expect(answers.filter((answer) => answer === "replaced")).toHaveLength(1);
        expect((await store.find(token.id))?.hint).toBe(`winner ${answers.indexOf("replaced")}`);
      });

      it("lets exactly one of 100 callers take the last use, even with the same bytes in the same millisecond", async () => {
        const token = await insert(newOwner(), { usesLeft: 1 });
        const used = changed(token, { usesLeft: 0, lastUsedTime: 1 });
        const answers = await Promise.all(Array.from({ length: 100 }, () => store.replace(token, used)));
        expect(answers.filter((answer) => answer === "replaced")).toHaveLength(1);
      });
    });

    describe("labels", () => {
      const labelled = { label: "ci", holdsLabel: true };

      it("belong to one live token of an owner and kind", async () => {
        const owner = newOwner();
        await insert(owner, labelled);
        expect(await store.insert(newToken(store, owner, labelled))).toBe("label-taken");
        await insert(owner, { ...labelled, kind: "service" });
        await insert(owner, { label: "ci" });
        await insert({ ...owner, subject: "bob" }, labelled);
      });

      it("go to exactly one of 100 inserts", async () => {
        const owner = newOwner();
        const answers = await Promise.all(
          Array.from({ length: 100 }, () => store.insert(newToken(store, owner, labelled))),
        );
        expect(answers.filter((answer) => answer === "inserted")).toHaveLength(1);
        expect(answers.filter((answer) => answer === "label-taken")).toHaveLength(99);
      });

      it("are free again after a removal, a change of label, or the last use", async () => {
        const owner = newOwner();
        const first = await insert(owner, labelled);
        await store.remove(first.id);
        const second = await insert(owner, labelled);
        expect(await store.replace(second, changed(second, { label: "other" }))).toBe("replaced");
        const third = await insert(owner, { ...labelled, usesLeft: 1 });
        expect(await store.replace(third, changed(third, { usesLeft: 0 }))).toBe("replaced");
        await insert(owner, labelled);
      });

      it("stay with a token that is only switched off", async () => {
        const owner = newOwner();
        const token = await insert(owner, labelled);
        await store.replace(token, changed(token, { active: false }));
        expect(await store.insert(newToken(store, owner, labelled))).toBe("label-taken");
      });

      it("can't be taken by a change either", async () => {
        const owner = newOwner();
        await insert(owner, labelled);
        const other = await insert(owner, { label: "other", holdsLabel: true });
        expect(await store.replace(other, changed(other, { label: "ci" }))).toBe("label-taken");
        expect((await store.find(other.id))?.label).toBe("other");
      });

      it("are not taken back from another by a token that comes to life again", async () => {
        const owner = newOwner();
        const dead = await insert(owner, { ...labelled, expireTime: 1 });
        await insert(owner, labelled);
        expect(await store.replace(dead, changed(dead, { hint: "touched" }))).toBe("replaced");
        const touched = changed(dead, { hint: "touched" });
        expect(await store.replace(touched, changed(touched, { expireTime: undefined }))).toBe("label-taken");
      });

      it("are free once the holder expires, though its record stays", async () => {
        const owner = newOwner();
        const expireTime = Date.now() + 150;
        const holder = await insert(owner, { ...labelled, expireTime, purgeTime: expireTime + HOUR });
        await vi.waitFor(
          async () => expect(await store.insert(newToken(store, owner, labelled))).toBe("inserted"),
          3000,
        );
        expect(await store.find(holder.id)).toEqual(holder);
      });
    });

    describe("caps", () => {
      const placed = { holdsPlace: true };

      it("let exactly 10 of 100 inserts in", async () => {
        const owner = newOwner();
        const answers = await Promise.all(
          Array.from({ length: 100 }, () => store.insert(newToken(store, owner, placed), { cap: 10 })),
        );
        expect(answers.filter((answer) => answer === "inserted")).toHaveLength(10);
        expect(answers.filter((answer) => answer === "cap-reached")).toHaveLength(90);
      });

      it("count only live tokens of the owner and kind that hold a place", async () => {
        const owner = newOwner();
        await insert(owner);
        await insert(owner, { ...placed, kind: "service" });
        await insert(owner, { ...placed, expireTime: 1 });
        await insert(owner, { ...placed, usesLeft: 0 });
        await insert({ ...owner, subject: "bob" }, placed);
        expect(await store.insert(newToken(store, owner, placed), { cap: 1 })).toBe("inserted");
        expect(await store.insert(newToken(store, owner, placed), { cap: 1 })).toBe("cap-reached");
      });

      it("have a free place when one of several holders expires", async () => {
        const owner = newOwner();
        await insert(owner, placed);
        await insert(owner, { ...placed, expireTime: Date.now() + 150, purgeTime: Date.now() + HOUR });
        const insertOne = () => store.insert(newToken(store, owner, placed), { cap: 2 });
        expect(await insertOne()).toBe("cap-reached");
        await vi.waitFor(async () => expect(await insertOne()).toBe("inserted"), 3000);
        expect(await insertOne()).toBe("cap-reached");
      });

      it("have a free place after a removal, the last use, or an expiry", async () => {
        const owner = newOwner();
        const insertOne = (fields: Partial<Token>) =>
          store.insert(newToken(store, owner, { ...placed, ...fields }), { cap: 1 });
        const first = await insert(owner, placed);
        expect(await insertOne({})).toBe("cap-reached");
        await store.remove(first.id);
        const second = await insert(owner, { ...placed, usesLeft: 1 });
        await store.replace(second, changed(second, { usesLeft: 0 }));
        expect(await insertOne({ expireTime: Date.now() + 150, purgeTime: Date.now() + HOUR })).toBe("inserted");
        await vi.waitFor(async () => expect(await insertOne({})).toBe("inserted"), 3000);
      });
    });

    describe("pages", () => {
      it("list an owner newest first, and by id descending within an instant", async () => {
        const owner = newOwner();
        const times = [5, 3, 3, 3, 9, 1, 3];
        const tokens = await Promise.all(times.map((createTime) => insert(owner, { createTime })));
        const expected = tokens.toSorted((a, b) => b.createTime - a.createTime || (a.id < b.id ? 1 : -1));
        expect(await list(owner)).toEqual(ids(expected));
        for (const limit of [1, 2, 3, 7]) expect(await walk(store, owner, limit)).toEqual(ids(expected));
      });

      it("go on after a token that no longer exists", async () => {
        const owner = newOwner();
        const tokens = await Promise.all([1, 2, 3].map((createTime) => insert(owner, { createTime })));
        const after = tokens[1] as Token;
        await store.remove(after.id);
        expect(await list({ ...owner, after })).toEqual([tokens[0]?.id]);
      });

      it("are empty for an owner or tenant without tokens", async () => {
        expect(await list(newOwner())).toEqual([]);
        expect(await list({ tenant: newOwner().tenant })).toEqual([]);
      });

      it("list a tenant owner by owner in a fixed order, whatever the size of the page", async () => {
        const { tenant } = newOwner();
        const subjects = [...WEIRD_NAMES, "a", "b", "Z", "é", "z"];
        for (const subject of subjects)
          for (const createTime of [1, 2]) await insert({ tenant, subject }, { createTime });
        const bytes = (text: string) => Buffer.from(text);
        const tag = (subject: string) => store.shardTag({ tenant, subject });
        const order = subjects.toSorted((a, b) => {
          return tag(a) === tag(b) ? Buffer.compare(bytes(a), bytes(b)) : tag(a) < tag(b) ? -1 : 1;
        });
        const all = await store.page({ tenant, limit: 1000 });
        expect(all.map((token) => token.subject)).toEqual(order.flatMap((subject) => [subject, subject]));
        expect(await walk(store, { tenant }, 7)).toEqual(ids(all));
      });

      it("go on in a tenant after an owner whose tokens are all gone", async () => {
        const { tenant } = newOwner();
        for (const subject of ["a", "b", "c"]) await insert({ tenant, subject });
        const all = await store.page({ tenant, limit: 10 });
        const after = all[1] as Token;
        await store.remove(after.id);
        expect(await list({ tenant, after })).toEqual([all[2]?.id]);
        expect(await list({ tenant })).toEqual([all[0]?.id, all[2]?.id]);
      });
    });

    describe("owners", () => {
      it("are never confused, whatever their names", async () => {
        const { tenant } = newOwner();
        const pairs = [
          { tenant: `${tenant}a/b`, subject: "c" },
          { tenant: `${tenant}a`, subject: "b/c" },
          { tenant: `${tenant}a%2Fb`, subject: "c" },
          ...WEIRD_NAMES.map((name) => ({ tenant: tenant + name, subject: name })),
        ];
        const fields = { label: "x:{y}/*%", holdsLabel: true, holdsPlace: true };
        const tokens = await Promise.all(pairs.map((owner) => insert(owner, fields)));
        for (const [n, owner] of pairs.entries()) expect(await list(owner)).toEqual([tokens[n]?.id]);
        expect(await store.removeAll(pairs[0] as Owner, () => true)).toBe(1);
        expect(await list(pairs[1] as Owner)).toEqual([tokens[1]?.id]);
      });
    });

    describe("removal", () => {
      it("takes what descends from a token to any depth, and nothing else", async () => {
        const owner = newOwner();
        const family = [await insert(owner)];
        for (let depth = 0; depth < 5; depth++) {
          family.push(await insert(owner, { parentId: family.at(-1)?.id ?? "", holdsPlace: true }));
          family.push(await insert(owner, { parentId: family.at(-2)?.id ?? "" }));
        }
        const other = await insert(owner);
        expect(await store.remove(family[0]?.id ?? "")).toBe(11);
        expect(await list(owner)).toEqual([other.id]);
        expect(await store.findMany(family.map((token) => token.id))).toEqual(family.map(() => undefined));
        expect(await store.remove(family[0]?.id ?? "")).toBe(0);
      });

      it("leaves parent and siblings", async () => {
        const owner = newOwner();
        const parent = await insert(owner, { createTime: 1 });
        const [a, b] = [2, 3].map((createTime) => newToken(store, owner, { parentId: parent.id, createTime }));
        for (const child of [a, b]) await store.insert(child as Token);
        expect(await store.remove(a?.id ?? "")).toBe(1);
        expect(await list(owner)).toEqual([b?.id, parent.id]);
        expect(await store.remove(parent.id)).toBe(2);
      });

      it("leaves no child behind that is inserted at the same time", async () => {
        for (let round = 0; round < 20; round++) {
          const parent = await insert(newOwner());
          const inserts = insertChildren(store, parent);
          const [removed, inserted] = await Promise.all([store.remove(parent.id), inserts]);
          expect(removed).toBe(1 + inserted);
          expect(await list(parent)).toEqual([]);
        }
      });

      it("of what is picked leaves no child behind that is inserted at the same time", async () => {
        for (let round = 0; round < 20; round++) {
          const parent = await insert(newOwner());
          const inserts = insertChildren(store, parent);
          const [removed, inserted] = await Promise.all([
            store.removeAll(parent, ({ id }) => id === parent.id),
            inserts,
          ]);
          expect(removed).toBe(1 + inserted);
          expect(await list(parent)).toEqual([]);
        }
      });

      it("frees the label that a token has got at the same time", async () => {
        for (let round = 0; round < 20; round++) {
          const owner = newOwner();
          let token = await insert(owner, { label: "0", holdsLabel: true });
          const removal = round % 2 ? store.remove(token.id) : store.removeAll(owner, () => true);
          for (let label = 1; ; label++) {
            const next = changed(token, { label: String(label) });
            if ((await store.replace(token, next)) !== "replaced") break;
            token = next;
          }
          expect(await removal).toBe(1);
          await insert(owner, { label: token.label, holdsLabel: true });
        }
      });

      it("refuses a child whose parent is gone", async () => {
        const parent = await insert(newOwner());
        await store.remove(parent.id);
        expect(await store.insert(newToken(store, parent, { parentId: parent.id }))).toBe("parent-gone");
      });

      it("takes of an owner what is picked, with its descendants", async () => {
        const owner = newOwner();
        const session = await insert(owner, { kind: "session", label: "s", holdsLabel: true });
        const child = await insert(owner, { parentId: session.id });
        await insert(owner, { parentId: child.id });
        const kept = await insert(owner);
        expect(await store.removeAll(owner, (token) => token.kind === "session")).toBe(3);
        expect(await list(owner)).toEqual([kept.id]);
        expect(await store.removeAll(owner, () => false)).toBe(0);
        await insert(owner, { kind: "session", label: "s", holdsLabel: true });
      });

      it("of all spares nothing that was acknowledged before it began", async () => {
        for (let round = 0; round < 10; round++) {
          const owner = newOwner();
          const before = await Promise.all(Array.from({ length: 10 }, () => insert(owner, { label: "x" })));
          const racing = Array.from({ length: 20 }, () => store.insert(newToken(store, owner)));
          const removed = await store.removeAll(owner, () => true);
          await Promise.all(racing);
          expect(removed).toBeGreaterThanOrEqual(10);
          expect((await store.findMany(before.map((token) => token.id))).every((token) => !token)).toBe(true);
          expect((await list(owner)).length).toBe(30 - removed);
        }
      });
    });

    describe("time", () => {
      it("drops a record at its purge time from everything", async () => {
        const owner = newOwner();
        const purgeTime = Date.now() + 200;
        const fields = { purgeTime, expireTime: purgeTime, label: "x", holdsLabel: true, holdsPlace: true };
        const token = await insert(owner, fields);
        const kept = await insert(owner);
        await vi.waitFor(async () => expect(await store.find(token.id)).toBeUndefined(), 3000);
        expect(Date.now()).toBeGreaterThanOrEqual(purgeTime);
        expect(await list(owner)).toEqual([kept.id]);
        expect(await list({ tenant: owner.tenant })).toEqual([kept.id]);
        expect(await store.remove(token.id)).toBe(0);
        expect(await store.replace(token, changed(token, {}))).toBe("conflict");
        expect(await store.insert(newToken(store, owner, { parentId: token.id }))).toBe("parent-gone");
        expect(await store.insert(newToken(store, owner, { ...fields, purgeTime: undefined }), { cap: 1 })).toBe(
          "inserted",
        );
      });

      it("goes by the purge time of the latest version", async () => {
        const owner = newOwner();
        const purgeTime = Date.now() + 200;
        const longer = await insert(owner, { purgeTime });
        const shorter = await insert(owner, { purgeTime: undefined });
        const kept = changed(longer, { purgeTime: undefined });
        await store.replace(longer, kept);
        await store.replace(shorter, changed(shorter, { purgeTime }));
        await vi.waitFor(async () => expect(await list(owner)).toEqual([longer.id]), 3000);
        expect(await store.find(longer.id)).toEqual(kept);
      });
    });

    describe("changes", () => {
      /** Notes what is told of the given tokens; changes of earlier tests may still be on their way. */
      const note = (tokens: readonly Token[]) => {
        const changes: Change[] = [];
        const stop = store.subscribe((change) => {
          if (change.type === "reset" || tokens.some(({ id }) => id === change.id)) changes.push(change);
        });
        return { changes, stop };
      };

      it("are told to every listener until it stops, before the operation answers that made them", async () => {
        const token = newToken(store, newOwner());
        const child = newToken(store, token, { parentId: token.id });
        const [one, two] = [note([token, child]), note([token, child])];
        const told = () => [one, two].map(({ changes }) => distinct(changes.splice(0)));
        await store.insert(token);
        expect(told()).toEqual([[{ type: "changed", id: token.id }], [{ type: "changed", id: token.id }]]);
        await store.insert(child);
        for (const changes of told()) expect(changes).toContainEqual({ type: "changed", id: child.id });
        one.stop();
        await store.replace(token, changed(token, { active: false }));
        expect(two.changes.splice(0)).toContainEqual({ type: "changed", id: token.id });
        await store.remove(token.id);
        const deleted = [token, child].map(({ id }) => ({ type: "deleted", id }));
        expect(two.changes).toEqual(expect.arrayContaining(deleted));
        two.stop();
        expect(one.changes).toEqual([]);
      });

      it("are not told where nothing changed", async () => {
        const owner = newOwner();
        const token = newToken(store, owner, { parentId: newToken(store, owner).id });
        const marker = newToken(store, newOwner());
        const { changes, stop } = note([token, marker]);
        await store.insert(token);
        await store.replace(token, changed(token, {}));
        await store.remove(token.id);
        await store.insert(marker);
        await vi.waitFor(() => expect(distinct(changes)).toEqual([{ type: "changed", id: marker.id }]));
        stop();
      });
    });

    describeParents(() => store);
    describeRemovals(() => store);
    describeUses(() => store, timesTold);
    describeNames(() => store);

    it("answers random operations like a plain model of the contract", () => compareWithModel(store), 20_000);

    it("serves", async () => {
      await expect(store.ping()).resolves.toBeUndefined();
    });
  });
}

/** Each once: a change may be told more than once. */
export function distinct(changes: readonly Change[]): Change[] {
  return [...new Map(changes.map((change) => [JSON.stringify(change), change])).values()];
}

/** Inserts children, one after the other, until the parent is gone. Answers how many went in. */
async function insertChildren(store: TokenStore, parent: Token): Promise<number> {
  for (let count = 0; ; count++) {
    const answer = await store.insert(newToken(store, parent, { parentId: parent.id }));
    if (answer === "parent-gone") return count;
  }
}

/** All ids of a range, page by page. */
async function walk(store: TokenStore, range: Omit<PageRange, "limit">, limit: number): Promise<string[]> {
  const found: string[] = [];
  let after: Token | undefined;
  while (true) {
    const page = await store.page({ ...range, after, limit });
    found.push(...page.map((token) => token.id));
    after = page.at(-1);
    if (page.length < limit) return found;
  }
}
