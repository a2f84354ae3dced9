import { beforeEach, describe, expect, it, vi } from "vitest";
import { changed, type Token } from "../../src/domain/token.ts";
import { type Change, REMOVE_BATCH, type TokenStore } from "../../src/store/token-store.ts";
import { HOUR, insertMany, insertToken, newOwner, newToken } from "./tokens.ts";

/**
 * Holds a store to what `TokenStore` promises of uses that are noted.
 *
 * @param timesTold how often it tells of a change of its own
 */
export function describeUses(open: () => TokenStore, timesTold: number): void {
  let store: TokenStore;
  beforeEach(() => {
    store = open();
  });

  const MINUTE = 60_000;
  const NOW = 1_900_000_000_000;
  const note = (tokens: readonly Pick<Token, "id">[], time: number) =>
    store.noteUses(new Map(tokens.map(({ id }) => [id, time])), MINUTE);

  describe("noted uses", () => {
    it("move the last use on, and nothing else but the version", async () => {
      const purgeTime = Date.now() + HOUR;
      const fields = { label: "x", holdsLabel: true, holdsPlace: true, claims: { ü: 1 }, purgeTime };
      const token = await insertToken(store, newOwner(), fields);
      await note([token], NOW);
      expect(await store.find(token.id)).toEqual({ ...token, lastUsedTime: NOW, version: 2 });
      await note([token], NOW + MINUTE);
      expect(await store.find(token.id)).toEqual({ ...token, lastUsedTime: NOW + MINUTE, version: 3 });
      expect(await store.page({ ...token, limit: 2 })).toEqual([await store.find(token.id)]);
    });

    it("are written only where that says something new, however many instances note them", async () => {
      const token = await insertToken(store, newOwner(), { lastUsedTime: NOW });
      for (const time of [NOW - HOUR, NOW, NOW + MINUTE - 1]) await note([token], time);
      expect(await store.find(token.id)).toEqual(token);
      await Promise.all(Array.from({ length: 10 }, (_, n) => note([token], NOW + MINUTE + n)));
      expect((await store.find(token.id))?.version).toBe(2);
    });

    it("know the beginning of time from never", async () => {
      const token = await insertToken(store, newOwner());
      await note([token], 0);
      expect(await store.find(token.id)).toEqual({ ...token, lastUsedTime: 0, version: 2 });
      await note([token], MINUTE - 1);
      expect((await store.find(token.id))?.version).toBe(2);
    });

    it("of thousands, of one owner and of many, are all written", async () => {
      const owner = newOwner();
      const own = await insertMany(store, owner, 350);
      const others = await insertMany(store, owner, 350);
      const strangers = await Promise.all(
        Array.from({ length: 350 }, (_, n) => insertToken(store, { ...owner, subject: `subject ${n}` })),
      );
      await note([...own, ...strangers], NOW);
      const times = async (tokens: readonly Token[]) => {
        return new Set((await store.findMany(tokens.map(({ id }) => id))).map((token) => token?.lastUsedTime));
      };
      expect(await times([...own, ...strangers])).toEqual(new Set([NOW]));
      expect(await times(others)).toEqual(new Set([undefined]));
    });

    it("bring nothing back, and undo nothing", async () => {
      const owner = newOwner();
      const [gone, edited] = await insertMany(store, owner, 2);
      await store.remove(gone?.id ?? "");
      const next = changed(edited as Token, { active: false, hint: "edited" });
      await store.replace(edited as Token, next);
      await note([gone as Token, { id: "000nothing" }, next], NOW);
      expect(await store.page({ ...owner, limit: 3 })).toEqual([{ ...next, lastUsedTime: NOW, version: 3 }]);
      expect(await store.findMany([gone?.id ?? "", "000nothing"])).toEqual([undefined, undefined]);
    });

    it("let no change win that did not see them", async () => {
      const token = await insertToken(store, newOwner());
      await note([token], NOW);
      expect(await store.replace(token, changed(token, { active: false }))).toBe("conflict");
    });

    it("leave a token its time, and a removal its tokens", async () => {
      const purgeTime = Date.now() + 500;
      const mortal = await insertToken(store, newOwner(), { purgeTime });
      const tokens = await insertMany(store, newOwner(), REMOVE_BATCH + 100);
      const [, removed] = await Promise.all([
        note([mortal, ...tokens], NOW),
        store.removeAll(tokens[0] as Token, () => true),
      ]);
      expect(removed).toBe(tokens.length);
      expect(await store.page({ ...(tokens[0] as Token), limit: 1 })).toEqual([]);
      await vi.waitFor(async () => expect(await store.find(mortal.id)).toBeUndefined(), 3000);
    });

    it("are told to nobody", async () => {
      const [token, marker] = [newToken(store, newOwner()), newToken(store, newOwner())];
      const told: Change[] = [];
      const stop = store.subscribe((change) => {
        if (change.type === "reset" || [token.id, marker.id].includes(change.id)) told.push(change);
      });
      await store.insert(token);
      await note([token], NOW);
      await store.insert(marker);
      const times = ({ id }: Token) => told.filter((change) => change.type === "changed" && change.id === id).length;
      await vi.waitFor(() => expect(times(marker)).toBe(timesTold));
      expect([times(token), told.length]).toEqual([timesTold, 2 * timesTold]);
      stop();
    });
  });
}
