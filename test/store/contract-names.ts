import { randomBytes } from "node:crypto";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { changed, type Owner, type Token } from "../../src/domain/token.ts";
import type { InsertOptions, Mark, TokenStore } from "../../src/store/token-store.ts";
import { HOUR, insertToken, newOwner, newToken, WEIRD_NAMES } from "./tokens.ts";

/** Holds a store to what `TokenStore` promises of the texts that it keeps under names: marks, claims and aliases. */
export function describeNames(open: () => TokenStore): void {
  let store: TokenStore;
  beforeEach(() => {
    store = open();
  });

  const insert = (owner: Owner, fields?: Partial<Token>) => insertToken(store, owner, fields);
  const newName = () => randomBytes(8).toString("base64url");
  const newMark = (fields: Partial<Mark> = {}): Mark => {
    return { name: newName(), value: "how it went", until: Date.now() + HOUR, ...fields };
  };
  /** Two owners whose tokens lie in different shards. */
  const newOwners = (): [Owner, Owner] => {
    const one = newOwner();
    while (true) {
      const two = newOwner();
      if (store.shardTag(one) !== store.shardTag(two)) return [one, two];
    }
  };

  describe("a mark", () => {
    it("lets one write happen, of whatever kind, and is found with it", async () => {
      const owner = newOwner();
      const mark = newMark();
      const [first, second] = [newToken(store, owner), newToken(store, owner)];
      expect(await store.insert(first, { mark })).toBe("inserted");
      expect(await store.insert(second, { mark: { ...mark, value: "another" } })).toBe("repeated");
      expect(await store.replace(first, changed(first, { active: false }), mark)).toBe("repeated");
      expect(await store.findMany([first.id, second.id])).toEqual([first, undefined]);
      expect(await store.findClaim(store.shardTag(owner), mark.name)).toBe(mark.value);
    });

    it("comes with a replacement too", async () => {
      const token = await insert(newOwner());
      const [mark, next] = [newMark(), changed(token, { hint: "rotated" })];
      expect(await store.replace(token, next, mark)).toBe("replaced");
      expect(await store.findClaim(store.shardTag(token), mark.name)).toBe(mark.value);
      expect(await store.replace(next, changed(next, {}), mark)).toBe("repeated");
      expect(await store.find(token.id)).toEqual(next);
    });

    it("comes before all other answers", async () => {
      const owner = newOwner();
      const held = { label: "x", holdsLabel: true, holdsPlace: true };
      const mark = newMark();
      const token = newToken(store, owner, held);
      await store.insert(token, { mark });
      const gone = newToken(store, owner);
      const inserts: [Token, InsertOptions][] = [
        [token, {}],
        [{ ...token, hint: "other" }, {}],
        [newToken(store, owner, held), { cap: 1 }],
        [newToken(store, owner, { parentId: gone.id }), {}],
        [newToken(store, owner, { parentId: token.id }), { parent: { previous: changed(token, {}), next: token } }],
      ];
      for (const [each, options] of inserts) expect(await store.insert(each, { ...options, mark })).toBe("repeated");
      expect(await store.replace(gone, changed(gone, {}), mark)).toBe("repeated");
      const other = await insert(owner, { label: "y", holdsLabel: true });
      expect(await store.replace(other, changed(other, { label: "x" }), mark)).toBe("repeated");
    });

    it("is not left by a write that is refused", async () => {
      const owner = newOwner();
      const held = { label: "x", holdsLabel: true, holdsPlace: true };
      const holder = await insert(owner, held);
      const mark = newMark();
      const stale = { previous: changed(holder, {}), next: changed(holder, {}) };
      const insertNew = (fields: Partial<Token>, options: InsertOptions = {}) => {
        return store.insert(newToken(store, owner, fields), { ...options, mark });
      };
      expect(await insertNew({ label: "x", holdsLabel: true })).toBe("label-taken");
      expect(await insertNew({ holdsPlace: true }, { cap: 1 })).toBe("cap-reached");
      expect(await insertNew({ parentId: newToken(store, owner).id })).toBe("parent-gone");
      expect(await insertNew({ parentId: holder.id }, { parent: stale })).toBe("conflict");
      expect(await store.replace(stale.previous, changed(stale.previous, {}), mark)).toBe("conflict");
      await expect(store.insert({ ...holder, hint: "other" }, { mark })).rejects.toMatchObject({ reason: "CONFLICT" });
      expect(await store.findClaim(store.shardTag(owner), mark.name)).toBeUndefined();
      expect(await insertNew({})).toBe("inserted");
    });

    it("is written with a child and its parent, or none of them is", async () => {
      const parent = await insert(newOwner());
      const mark = newMark();
      const [one, two] = [1, 2].map(() => newToken(store, parent, { parentId: parent.id })) as [Token, Token];
      const next = changed(parent, { hint: "rotated" });
      expect(await store.insert(one, { parent: { previous: parent, next }, mark })).toBe("inserted");
      const again = { previous: next, next: changed(next, {}) };
      expect(await store.insert(two, { parent: again, mark })).toBe("repeated");
      expect(await store.findMany([parent.id, one.id, two.id])).toEqual([next, one, undefined]);
    });

    it("lets exactly one of 50 inserts in", async () => {
      const owner = newOwner();
      const mark = newMark();
      const writes = Array.from({ length: 50 }, (_, n) => {
        const token = newToken(store, owner, { label: "x", holdsLabel: true });
        return store.insert(token, { mark: { ...mark, value: `winner ${n}` } });
      });
      const answers = await Promise.all(writes);
      expect(answers.filter((answer) => answer === "inserted")).toHaveLength(1);
      expect(answers.filter((answer) => answer === "repeated")).toHaveLength(49);
      expect(await store.findClaim(store.shardTag(owner), mark.name)).toBe(`winner ${answers.indexOf("inserted")}`);
      expect(await store.page({ ...owner, limit: 10 })).toHaveLength(1);
    });

    it("lets exactly one of 50 replacements through", async () => {
      const token = await insert(newOwner());
      const mark = newMark();
      const writes = Array.from({ length: 50 }, () => store.replace(token, changed(token, {}), mark));
      const answers = await Promise.all(writes);
      expect(answers.filter((answer) => answer === "replaced")).toHaveLength(1);
      expect(answers.filter((answer) => answer === "repeated")).toHaveLength(49);
    });

    it("ends at its time", async () => {
      const owner = newOwner();
      const mark = newMark({ until: Date.now() + 300 });
      const insertOne = () => store.insert(newToken(store, owner), { mark });
      expect([await insertOne(), await insertOne()]).toEqual(["inserted", "repeated"]);
      await vi.waitFor(async () => expect(await insertOne()).toBe("inserted"), 3000);
      expect(await store.findClaim(store.shardTag(owner), mark.name)).toBeUndefined();
    });

    it("of one shard is nothing to another", async () => {
      const mark = newMark();
      for (const owner of newOwners()) expect(await store.insert(newToken(store, owner), { mark })).toBe("inserted");
    });
  });

  describe("a claim", () => {
    const claim = (owner: Owner, fields: Partial<Mark> = {}) => {
      return store.claim({ tag: store.shardTag(owner), ...newMark(fields) });
    };

    it("keeps the first text, which all others learn", async () => {
      const [owner, name] = [newOwner(), newName()];
      expect(await store.findClaim(store.shardTag(owner), name)).toBeUndefined();
      expect(await claim(owner, { name, value: "first" })).toBe("first");
      expect(await claim(owner, { name, value: "second" })).toBe("first");
      expect(await store.findClaim(store.shardTag(owner), name)).toBe("first");
    });

    it("is won by exactly one of 50 callers", async () => {
      const [owner, name] = [newOwner(), newName()];
      const values = Array.from({ length: 50 }, (_, n) => `value ${n}`);
      const learnt = new Set(await Promise.all(values.map((value) => claim(owner, { name, value }))));
      expect(learnt.size).toBe(1);
      expect(values).toContain([...learnt][0]);
      expect(await store.findClaim(store.shardTag(owner), name)).toBe([...learnt][0]);
    });

    it("ends at the time that came with it, not with later ones", async () => {
      const [owner, name] = [newOwner(), newName()];
      expect(await claim(owner, { name, value: "first", until: Date.now() + 300 })).toBe("first");
      expect(await claim(owner, { name, value: "second" })).toBe("first");
      const find = () => store.findClaim(store.shardTag(owner), name);
      await vi.waitFor(async () => expect(await find()).toBeUndefined(), 3000);
      expect(await claim(owner, { name, value: "third" })).toBe("third");
      expect(await find()).toBe("third");
    });

    it("that is over already is not kept", async () => {
      const [owner, name] = [newOwner(), newName()];
      for (const until of [Date.now() - 1, 0, -1]) {
        expect(await claim(owner, { name, until, value: String(until) })).toBe(String(until));
        expect(await store.findClaim(store.shardTag(owner), name)).toBeUndefined();
      }
    });

    it("of one shard is nothing to another", async () => {
      const [one, two] = newOwners();
      const name = newName();
      expect(await claim(one, { name, value: "one" })).toBe("one");
      expect(await store.findClaim(store.shardTag(two), name)).toBeUndefined();
      expect(await claim(two, { name, value: "two" })).toBe("two");
    });

    it("shares its names with the marks", async () => {
      const owner = newOwner();
      const [claimed, marked] = [newMark(), newMark({ value: "made" })];
      await claim(owner, claimed);
      expect(await store.insert(newToken(store, owner), { mark: claimed })).toBe("repeated");
      expect(await store.insert(newToken(store, owner), { mark: marked })).toBe("inserted");
      expect(await claim(owner, { ...marked, value: "claimed" })).toBe("made");
    });

    it("holds any text under any name", async () => {
      const owner = newOwner();
      for (const text of ["", ...WEIRD_NAMES, JSON.stringify({ salt: "\0" })]) {
        const name = newName() + text;
        expect(await claim(owner, { name, value: text })).toBe(text);
        expect(await claim(owner, { name, value: "other" })).toBe(text);
        expect(await store.findClaim(store.shardTag(owner), name)).toBe(text);
      }
    });
  });

  describe("an alias", () => {
    it("leads to its token's id, in the order asked for, with gaps and repeats", async () => {
      const [a, b] = [await insert(newOwner()), await insert(newOwner("bob"))];
      const [toA, alsoToA, toB] = [newName(), newName(), newName()];
      await store.addAlias(toA, a.id, undefined);
      await store.addAlias(alsoToA, a.id, Date.now() + HOUR);
      await store.addAlias(toB, b.id, undefined);
      expect(await store.findAliases([toB, "unknown", toA, toB, alsoToA])).toEqual([b.id, undefined, a.id, b.id, a.id]);
      expect(await store.findAliases([])).toEqual([]);
    });

    it("that is added again lasts until the later of both times", async () => {
      const { id } = newToken(store, newOwner());
      const [never, nevermore, later, before, brief] = [newName(), newName(), newName(), newName(), newName()];
      await store.addAlias(never, id, undefined);
      await store.addAlias(never, id, Date.now() + 100);
      await store.addAlias(nevermore, id, Date.now() + 150);
      await store.addAlias(nevermore, id, undefined);
      await store.addAlias(later, id, Date.now() + 150);
      await store.addAlias(later, id, Date.now() + HOUR);
      await store.addAlias(before, id, Date.now() + HOUR);
      await store.addAlias(before, id, Date.now() + 100);
      await store.addAlias(brief, id, Date.now() + 100);
      await store.addAlias(brief, id, Date.now() + 150);
      const found = () => store.findAliases([brief, never, nevermore, later, before]);
      await vi.waitFor(async () => expect(await found()).toEqual([undefined, id, id, id, id]), 3000);
    });

    it("that leads to another token is a conflict", async () => {
      const [one, two] = [newToken(store, newOwner()), newToken(store, newOwner())];
      const alias = newName();
      await store.addAlias(alias, one.id, undefined);
      await expect(store.addAlias(alias, two.id, undefined)).rejects.toMatchObject({
        reason: "CONFLICT",
        code: "ABORTED",
        message: "another token goes by this name",
      });
      expect(await store.findAliases([alias])).toEqual([one.id]);
    });

    it("goes to exactly one of 50 tokens", async () => {
      const ids = Array.from({ length: 50 }, () => newToken(store, newOwner()).id);
      const alias = newName();
      const outcomes = await Promise.allSettled(ids.map((id) => store.addAlias(alias, id, undefined)));
      const winners = ids.filter((_, n) => outcomes[n]?.status === "fulfilled");
      expect(winners).toHaveLength(1);
      expect(await store.findAliases([alias])).toEqual(winners);
    });

    it("is free for another token after its time", async () => {
      const [one, two] = [newToken(store, newOwner()), newToken(store, newOwner())];
      const alias = newName();
      await store.addAlias(alias, one.id, Date.now() + 300);
      expect(await store.findAliases([alias])).toEqual([one.id]);
      await vi.waitFor(() => store.addAlias(alias, two.id, undefined), 3000);
      expect(await store.findAliases([alias])).toEqual([two.id]);
    });

    it("outlives a token that is removed", async () => {
      const token = await insert(newOwner());
      const alias = newName();
      await store.addAlias(alias, token.id, undefined);
      await store.remove(token.id);
      expect(await store.findAliases([alias])).toEqual([token.id]);
    });

    it("may be any text, and is no claim's name", async () => {
      const { id } = newToken(store, newOwner());
      const aliases = WEIRD_NAMES.map((name) => newName() + name);
      for (const alias of aliases) await store.addAlias(alias, id, undefined);
      expect(await store.findAliases(aliases)).toEqual(aliases.map(() => id));
      expect(await store.findAliases(aliases.map((alias) => `${alias}?`))).toEqual(aliases.map(() => undefined));
      expect(await store.findClaim(id.slice(0, 3), aliases[0] ?? "")).toBeUndefined();
    });
  });
}
