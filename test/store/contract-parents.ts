import { beforeEach, describe, expect, it, vi } from "vitest";
import { changed, type Owner, type Token } from "../../src/domain/token.ts";
import { type Change, REMOVE_BATCH, type TokenStore } from "../../src/store/token-store.ts";
import { HOUR, insertToken, newOwner, newToken, usedAt } from "./tokens.ts";

/** Holds a store to what `TokenStore` promises of a parent that changes with its child, and of tokens whose end moves. */
export function describeParents(open: () => TokenStore): void {
  let store: TokenStore;
  beforeEach(() => {
    store = open();
  });

  const insert = (owner: Owner, fields?: Partial<Token>) => insertToken(store, owner, fields);
  const idsOf = async (owner: Owner) => (await store.page({ ...owner, limit: 100 })).map(({ id }) => id).sort();
  const childOf = (parent: Token, fields: Partial<Token> = {}) => {
    return newToken(store, parent, { kind: "access", parentId: parent.id, ...fields });
  };
  const usedUp = (parent: Token) => changed(parent, { usesLeft: 0 });
  /** Inserts a child while its parent becomes `next`. */
  const exchange = (previous: Token, next: Token, child: Token, cap?: number) => {
    return store.insert(child, { cap, parent: { previous, next } });
  };
  const expectUntouched = async (parent: Token, child: Token) => {
    expect(await store.findMany([parent.id, child.id])).toEqual([parent, undefined]);
    expect(await idsOf(parent)).not.toContain(child.id);
  };

  describe("a parent that changes with its child", () => {
    it("is written with it", async () => {
      const parent = await insert(newOwner(), { kind: "refresh" });
      const [next, child] = [changed(parent, { hint: "rotated" }), childOf(parent)];
      expect(await exchange(parent, next, child)).toBe("inserted");
      expect(await store.findMany([parent.id, child.id])).toEqual([next, child]);
      expect(await idsOf(parent)).toEqual([parent.id, child.id].sort());
    });

    it("is a conflict when its version is stale: neither is written", async () => {
      const stale = await insert(newOwner());
      const current = changed(stale, { hint: "current" });
      await store.replace(stale, current);
      const child = childOf(stale);
      expect(await exchange(stale, changed(stale, { active: false }), child)).toBe("conflict");
      await expectUntouched(current, child);
    });

    it("is not brought back when it is gone", async () => {
      const parent = await insert(newOwner());
      await store.remove(parent.id);
      expect(await exchange(parent, changed(parent, {}), childOf(parent))).toBe("parent-gone");
      expect(await idsOf(parent)).toEqual([]);
    });

    it("can't take another's label: neither is written", async () => {
      const owner = newOwner();
      await insert(owner, { label: "ci", holdsLabel: true });
      const parent = await insert(owner, { label: "cd", holdsLabel: true });
      const child = childOf(parent);
      expect(await exchange(parent, changed(parent, { label: "ci" }), child)).toBe("label-taken");
      await expectUntouched(parent, child);
    });

    it("stays as it was, with its label and place, when the child is refused", async () => {
      const held = { label: "x", holdsLabel: true, holdsPlace: true };
      const parent = await insert(newOwner(), { ...held, kind: "link" });
      await insert(parent, { ...held, kind: "access" });
      const [sameLabel, noPlace] = [childOf(parent, held), childOf(parent, { holdsPlace: true })];
      expect(await exchange(parent, usedUp(parent), sameLabel)).toBe("label-taken");
      await expectUntouched(parent, sameLabel);
      expect(await exchange(parent, usedUp(parent), noPlace, 1)).toBe("cap-reached");
      await expectUntouched(parent, noPlace);
      expect(await store.insert(newToken(store, parent, { ...held, kind: "link" }))).toBe("label-taken");
      const placed = { kind: "link", holdsPlace: true };
      expect(await store.insert(newToken(store, parent, placed), { cap: 1 })).toBe("cap-reached");
    });

    it("of another kind has its own labels and places", async () => {
      const held = { label: "x", holdsLabel: true, holdsPlace: true };
      const parent = await insert(newOwner(), { ...held, kind: "link" });
      expect(await exchange(parent, usedUp(parent), childOf(parent, held), 1)).toBe("inserted");
      const another = (kind: string) => newToken(store, parent, { ...held, kind });
      expect(await store.insert(another("access"))).toBe("label-taken");
      expect(await store.insert(newToken(store, parent, { kind: "access", holdsPlace: true }), { cap: 1 })).toBe(
        "cap-reached",
      );
      expect(await store.insert(another("link"), { cap: 1 })).toBe("inserted");
    });

    it("leaves its label and its place to a child of its kind, but only if it is used up", async () => {
      const held = { kind: "refresh", label: "phone", holdsLabel: true };
      const parent = await insert(newOwner(), { ...held, holdsPlace: true });
      const child = childOf(parent, { ...held, holdsPlace: true });
      const rotated = changed(parent, { hint: "rotated" });
      expect(await exchange(parent, rotated, child)).toBe("label-taken");
      expect(await exchange(parent, rotated, { ...child, holdsLabel: false }, 1)).toBe("cap-reached");
      expect(await exchange(parent, usedUp(parent), child, 1)).toBe("inserted");
      expect(await store.insert(newToken(store, parent, held))).toBe("label-taken");
      expect(await store.insert(newToken(store, parent, { ...held, label: "", holdsPlace: true }), { cap: 1 })).toBe(
        "cap-reached",
      );
    });

    it("has the first right to a label that both want, and to a place that it comes back for", async () => {
      const kind = "refresh";
      const owner = newOwner();
      const parent = await insert(owner, { kind, label: "a", holdsLabel: true });
      const wanted = childOf(parent, { kind, label: "b", holdsLabel: true });
      expect(await exchange(parent, changed(parent, { label: "b" }), wanted)).toBe("label-taken");
      await expectUntouched(parent, wanted);
      const spent = await insert(owner, { kind, usesLeft: 0, holdsPlace: true });
      const placed = childOf(spent, { kind, holdsPlace: true });
      expect(await exchange(spent, changed(spent, { usesLeft: 1 }), placed, 1)).toBe("cap-reached");
      expect(await exchange(spent, changed(spent, { usesLeft: 1 }), placed, 2)).toBe("inserted");
    });

    it("goes to exactly one of 50 children", async () => {
      const parent = await insert(newOwner());
      const children = Array.from({ length: 50 }, () => childOf(parent));
      const answers = await Promise.all(children.map((child) => exchange(parent, usedUp(parent), child)));
      expect(answers.filter((answer) => answer === "inserted")).toHaveLength(1);
      expect(answers.filter((answer) => answer === "conflict")).toHaveLength(49);
      const winner = children[answers.indexOf("inserted")];
      expect(await idsOf(parent)).toEqual([parent.id, winner?.id].sort());
    });

    it("is never seen changed without its child, nor the child without the change", async () => {
      for (let round = 0; round < 20; round++) {
        const parent = await insert(newOwner());
        const child = childOf(parent);
        const answer = exchange(parent, usedUp(parent), child);
        for (let look = 0; look < 5; look++) {
          const [sameChild, laterParent] = await store.findMany([child.id, parent.id]);
          if (sameChild) expect(laterParent?.version).toBe(2);
          const [sameParent, laterChild] = await store.findMany([parent.id, child.id]);
          if (sameParent?.version === 2) expect(laterChild).toBeDefined();
        }
        expect(await answer).toBe("inserted");
      }
    });

    it("changes once when the same child is inserted again", async () => {
      const parent = await insert(newOwner());
      const [next, child] = [changed(parent, { hint: "rotated" }), childOf(parent)];
      expect(await exchange(parent, next, child)).toBe("inserted");
      const after = changed(next, { hint: "rotated again" });
      await store.replace(next, after);
      expect(await exchange(parent, next, child)).toBe("inserted");
      expect(await store.find(parent.id)).toEqual(after);
    });

    it("takes the child with it when it is removed, to any depth", async () => {
      const root = await insert(newOwner(), { kind: "refresh" });
      let parent = root;
      for (let depth = 0; depth < 5; depth++) {
        const child = childOf(parent, { purgeTime: Date.now() + HOUR });
        expect(await exchange(parent, usedUp(parent), child)).toBe("inserted");
        parent = child;
      }
      expect(await store.remove(root.id)).toBe(6);
      expect(await idsOf(root)).toEqual([]);
    });

    it("takes any number of children with it, and their children", { timeout: 120_000 }, async () => {
      const owner = newOwner();
      const parent = await insert(owner);
      const ids: string[] = [];
      const insertChild = async (fields: Partial<Token> = {}) => {
        const child = childOf(parent, fields);
        expect(await store.insert(child)).toBe("inserted");
        ids.push(child.id);
        return child;
      };
      const eldest = await insertChild();
      const last = childOf(eldest);
      await store.insert(last);
      const insertMany = async () => {
        while (ids.length < 2 * REMOVE_BATCH + 5) await insertChild();
      };
      await Promise.all(Array.from({ length: 100 }, insertMany));
      expect(await store.remove(parent.id)).toBe(ids.length + 2);
      expect(await idsOf(owner)).toEqual([]);
      expect(await store.findMany([parent.id, eldest.id, last.id])).toEqual([undefined, undefined, undefined]);
      expect(await store.insert(childOf(parent))).toBe("parent-gone");
    });

    it("leaves no child behind when it is removed at the same time", async () => {
      for (let round = 0; round < 20; round++) {
        const owner = newOwner();
        let parent = await insert(owner);
        const removal = round % 2 ? store.remove(parent.id) : store.removeAll(owner, () => true);
        let children = 0;
        for (; ; children++) {
          const next = changed(parent, { hint: String(children) });
          if ((await exchange(parent, next, childOf(parent))) !== "inserted") break;
          parent = next;
        }
        expect(await removal).toBe(1 + children);
        expect(await idsOf(owner)).toEqual([]);
      }
    });

    it("is told as changed along with its child, and only if it is", async () => {
      const parent = newToken(store, newOwner());
      const child = childOf(parent);
      const told: Change[] = [];
      const stop = store.subscribe((change) => {
        if (change.type !== "reset" && [parent.id, child.id].includes(change.id)) told.push(change);
      });
      await store.insert(parent);
      expect(await exchange(changed(parent, {}), parent, child)).toBe("conflict");
      expect(told.splice(0)).not.toContainEqual({ type: "changed", id: child.id });
      expect(await exchange(parent, changed(parent, {}), child)).toBe("inserted");
      const both = [parent.id, child.id].map((id) => ({ type: "changed", id }));
      expect(told).toEqual(expect.arrayContaining(both));
      stop();
    });
  });

  describe("a token whose end moves with each use", () => {
    /** A child that ends in a moment unless it is used. */
    const insertIdle = async () => {
      const parent = await insert(newOwner());
      const times = { createTime: Date.now(), idleTimeout: 400, purgeTime: Date.now() + 500 };
      const held = { kind: "session", label: "x", holdsLabel: true, holdsPlace: true };
      const idle = await insert(parent, { ...times, ...held, parentId: parent.id });
      return { parent, idle, held };
    };
    /** Everything that a store knows by whole seconds has ended by then. */
    const waitFor = (time: number) =>
      vi.waitFor(() => expect(Date.now()).toBeGreaterThan(time), { timeout: 5000, interval: 20 });

    it("is there once, with its label, place and parent, long after its first end", async () => {
      const { parent, idle, held } = await insertIdle();
      let latest = idle;
      for (let use = 1; use <= 30; use++) {
        const next = usedAt(latest, latest.createTime + use * HOUR);
        expect(await store.replace(latest, next)).toBe("replaced");
        latest = next;
      }
      await waitFor((Math.ceil((idle.purgeTime ?? 0) / 1000) + 0.1) * 1000);
      expect(await store.find(idle.id)).toEqual(latest);
      expect(await idsOf(parent)).toEqual([parent.id, idle.id].sort());
      expect(await store.page({ tenant: parent.tenant, limit: 10 })).toHaveLength(2);
      expect(await store.insert(newToken(store, parent, held))).toBe("label-taken");
      const placed = newToken(store, parent, { kind: "session", holdsPlace: true });
      expect(await store.insert(placed, { cap: 1 })).toBe("cap-reached");
      expect(await store.remove(parent.id)).toBe(2);
    });

    it("is gone when it was not used", async () => {
      const { parent, idle, held } = await insertIdle();
      await vi.waitFor(async () => expect(await store.find(idle.id)).toBeUndefined(), 3000);
      expect(await idsOf(parent)).toEqual([parent.id]);
      expect(await store.insert(newToken(store, parent, held), { cap: 1 })).toBe("inserted");
    });

    it("is gone early when its end comes nearer again", async () => {
      const { parent, idle, held } = await insertIdle();
      const longer = usedAt(idle, idle.createTime + HOUR);
      await store.replace(idle, longer);
      const shorter = changed(longer, { usesLeft: 0, purgeTime: Date.now() + 100 });
      expect(await store.replace(longer, shorter)).toBe("replaced");
      expect(await store.insert(newToken(store, parent, held), { cap: 1 })).toBe("inserted");
      await vi.waitFor(async () => expect(await idsOf(parent)).not.toContain(idle.id), 3000);
      expect(await store.remove(parent.id)).toBe(1);
    });
  });
}
