import { setImmediate } from "node:timers/promises";
import { beforeEach, describe, expect, it } from "vitest";
import { changed, type Owner, type Token } from "../../src/domain/token.ts";
import { REMOVE_BATCH, type TokenStore } from "../../src/store/token-store.ts";
import { insertMany, insertToken, newOwner, newToken } from "./tokens.ts";

/** Holds a store to what `TokenStore` promises of removals that are larger than one step. */
export function describeRemovals(open: () => TokenStore): void {
  let store: TokenStore;
  beforeEach(() => {
    store = open();
  });

  const MANY = 3 * REMOVE_BATCH + 7;
  const isOff = ({ active }: Token) => !active;
  const list = (owner: Owner) => store.page({ ...owner, limit: 2 * MANY });

  describe("a removal of many tokens", { timeout: 60_000 }, () => {
    it("takes all of them, and what they hold", async () => {
      const held = { holdsLabel: true, holdsPlace: true };
      const owner = newOwner();
      await insertMany(store, owner, MANY, (n) => ({ ...held, label: `label ${n}` }));
      expect(await store.removeAll(owner, () => true)).toBe(MANY);
      expect(await list(owner)).toEqual([]);
      expect(await store.insert(newToken(store, owner, { ...held, label: "label 7" }), { cap: 1 })).toBe("inserted");
    });

    it("takes what is picked, and leaves the rest", async () => {
      const owner = newOwner();
      const tokens = await insertMany(store, owner, MANY, (n) => ({ active: n % 3 === 0 }));
      const kept = tokens.filter(({ active }) => active).map(({ id }) => id);
      expect(await store.removeAll(owner, isOff)).toBe(MANY - kept.length);
      expect((await list(owner)).map(({ id }) => id).sort()).toEqual(kept.sort());
      expect(await store.removeAll(owner, isOff)).toBe(0);
    });

    it("takes what descends from what is picked, wherever that is, and each once", async () => {
      const owner = newOwner();
      const [old, ...parents] = await insertMany(store, owner, 300, () => ({ active: false }));
      const children = await insertMany(store, owner, MANY, (n) => ({
        parentId: (n < REMOVE_BATCH + 20 ? old : parents[n % parents.length])?.id ?? "",
        active: n % 2 === 0,
        // Some are older than their parents, as after an import.
        createTime: Date.now() - n * 1000,
      }));
      const grandchildren = await insertMany(store, owner, 50, (n) => ({ parentId: children[n]?.id ?? "" }));
      const kept = await insertToken(store, owner);
      const child = await insertToken(store, owner, { parentId: kept.id });
      expect(await store.removeAll(owner, isOff)).toBe(300 + children.length + grandchildren.length);
      expect((await list(owner)).map(({ id }) => id).sort()).toEqual([kept.id, child.id].sort());
      expect(await store.insert(newToken(store, owner, { parentId: old?.id ?? "" }))).toBe("parent-gone");
    });

    it("of one step is seen as a whole or not at all", async () => {
      const owner = newOwner();
      const tokens = await insertMany(store, owner, REMOVE_BATCH);
      const ids = tokens.map(({ id }) => id);
      const sights = new Set<number>();
      let isOver = false;
      const look = async () => {
        for (; !isOver; await setImmediate())
          sights.add((await store.findMany(ids)).filter((token) => token !== undefined).length);
      };
      const looking = look();
      expect(await store.removeAll(owner, () => true)).toBe(REMOVE_BATCH);
      isOver = true;
      await looking;
      expect([...sights].filter((count) => count > 0)).toEqual([REMOVE_BATCH]);
    });

    it("lets the calls of others come in between", async () => {
      const [owner, other] = [newOwner(), newOwner()];
      await insertMany(store, owner, MANY);
      let isOver = false;
      let answered = 0;
      const work = async () => {
        for (; !isOver; answered++) await store.find((await insertToken(store, other)).id);
      };
      const working = work();
      await store.removeAll(owner, () => true);
      isOver = true;
      await working;
      expect(answered).toBeGreaterThan(MANY / REMOVE_BATCH - 1);
    });

    it.each([
      ["newest", () => Date.now() + 1000],
      ["oldest", () => 1],
    ])("does not miss one that is inserted meanwhile as the %s", async (_, createTime) => {
      const owner = newOwner();
      await insertMany(store, owner, MANY, (n) => ({ active: n % 2 === 0 }));
      const late: Promise<Token>[] = [];
      const removed = await store.removeAll(owner, (token) => {
        if (late.length < 5) late.push(insertToken(store, owner, { active: false, createTime: createTime() }));
        return isOff(token);
      });
      await Promise.all(late);
      expect((await list(owner)).filter(isOff)).toEqual([]);
      expect(removed).toBe(Math.floor(MANY / 2) + late.length);
    });

    it("ends though others keep inserting what it picks", async () => {
      const owner = newOwner();
      await insertMany(store, owner, MANY, (n) => ({ active: n % 2 === 0 }));
      let isOver = false;
      let inserted = 0;
      const add = async () => {
        for (; !isOver; inserted++) await insertToken(store, owner, { active: false });
      };
      const adding = Promise.all([add(), add(), add()]);
      const removed = await store.removeAll(owner, isOff);
      isOver = true;
      await adding;
      const left = (await list(owner)).filter(isOff).length;
      expect(removed + left).toBe(Math.floor(MANY / 2) + inserted);
    });

    it("spares one that is no longer picked when its turn comes", async () => {
      const owner = newOwner();
      const tokens = await insertMany(store, owner, MANY, () => ({ active: false }));
      let token: Token | undefined;
      let switched: Promise<string> | undefined;
      const removed = await store.removeAll(owner, (one) => {
        token ??= one;
        switched ??= store.replace(token, changed(token, { active: true }));
        return isOff(one);
      });
      const isSpared = (await switched) === "replaced";
      expect(removed).toBe(tokens.length - (isSpared ? 1 : 0));
      expect((await list(owner)).map(({ id }) => id)).toEqual(isSpared ? [token?.id] : []);
    });

    it("spares a parent that is no longer picked when all its children are gone", async () => {
      const parent = await insertToken(store, newOwner(), { active: false });
      await insertMany(store, parent, MANY, () => ({ parentId: parent.id }));
      const other = await insertToken(store, parent, { active: false });
      let switched: Promise<string> | undefined;
      const stop = store.subscribe((change) => {
        const isOurs = change.type === "deleted" && change.id !== other.id && change.id !== parent.id;
        if (isOurs) switched ??= store.replace(parent, changed(parent, { active: true }));
      });
      await store.removeAll(parent, isOff);
      stop();
      const isSpared = (await switched) === "replaced";
      expect((await store.find(parent.id))?.active).toBe(isSpared ? true : undefined);
    });

    it("that runs twice at the same time takes each token once", async () => {
      const owner = newOwner();
      await insertMany(store, owner, MANY);
      const counts = await Promise.all([1, 2, 3].map(() => store.removeAll(owner, () => true)));
      expect(counts.reduce((sum, count) => sum + count)).toBe(MANY);
      expect(await list(owner)).toEqual([]);
    });
  });
}
