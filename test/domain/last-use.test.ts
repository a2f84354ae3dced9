import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { introspect } from "../../src/domain/introspect.ts";
import { createLastUse } from "../../src/domain/last-use.ts";
import { listTokens } from "../../src/domain/list.ts";
import { deleteTokens } from "../../src/domain/revoke.ts";
import { setActive } from "../../src/domain/set-active.ts";
import { statusOf } from "../../src/domain/token.ts";
import { updateToken } from "../../src/domain/update.ts";
import { ask, DAY, HOUR, kindOf, MINUTE, NOW, openWorld, refusal, root, SECOND } from "./world.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
afterEach(() => void vi.useRealTimers());

describe("the last use of a token", () => {
  test("is unset before the first", async () => {
    const { context, issue } = await openWorld();
    expect((await context.store.find((await issue()).token.id))?.lastUsedTime).toBeUndefined();
  });

  test("is written a second later, with the time of the use, and does not change the etag", async () => {
    const { context, issue, pass } = await openWorld();
    const { token, secret } = await issue();
    await introspect(context, root, ask(secret));
    pass(SECOND);
    expect((await context.store.find(token.id))?.lastUsedTime).toBeUndefined();
    await vi.advanceTimersByTimeAsync(SECOND);
    await vi.waitFor(async () =>
      expect(await context.store.find(token.id)).toMatchObject({ lastUsedTime: NOW, revision: 1, version: 2 }),
    );
  });

  test.each([
    ["a look", { peek: true }],
    ["a use that is refused", { scopes: ["x"] }],
  ])("is not %s", async (_, question) => {
    const { context, issue } = await openWorld();
    const { token, secret } = await issue();
    await introspect(context, root, ask(secret, question));
    await context.lastUse.flush();
    expect((await context.store.find(token.id))?.version).toBe(1);
  });

  test("is exact to a minute: uses within it are not written again", async () => {
    const { context, issue, pass } = await openWorld();
    const { token, secret } = await issue();
    const use = async () => {
      await introspect(context, root, ask(secret));
      await context.lastUse.flush();
      return context.store.find(token.id);
    };
    expect(await use()).toMatchObject({ lastUsedTime: NOW, version: 2 });
    pass(MINUTE - 1);
    expect(await use()).toMatchObject({ lastUsedTime: NOW, version: 2 });
    pass(1);
    expect(await use()).toMatchObject({ lastUsedTime: NOW + MINUTE, version: 3 });
  });

  test("is written once for a thousand uses at the same moment", async () => {
    const { context, issue } = await openWorld();
    const { token, secret } = await issue();
    await Promise.all(Array.from({ length: 1000 }, () => introspect(context, root, ask(secret))));
    await context.lastUse.flush();
    expect((await context.store.find(token.id))?.version).toBe(2);
  });

  test("never undoes what was changed between use and writing, nor brings back what was deleted", async () => {
    const { context, issue } = await openWorld();
    const edited = await issue();
    const deleted = await issue();
    await introspect(context, root, ask(edited.secret));
    await introspect(context, root, ask(deleted.secret));
    await setActive(context, root, { id: edited.token.id }, false);
    await context.store.remove(deleted.token.id);
    await context.lastUse.flush();
    expect(await context.store.find(edited.token.id)).toMatchObject({
      active: false,
      version: 3,
      lastUsedTime: NOW,
    });
    expect(await context.store.find(deleted.token.id)).toBeUndefined();
  });

  test("is written with one call for all tokens, and noted once for all instances", async () => {
    const { context, issue } = await openWorld();
    const issued = await Promise.all(Array.from({ length: 20 }, () => issue()));
    const written: number[] = [];
    const noteUses: typeof context.store.noteUses = (uses, precision) => {
      written.push(uses.size);
      return context.store.noteUses(uses, precision);
    };
    const instances = [1, 2].map(() => createLastUse({ ...context.store, noteUses }, context.clock));
    for (const lastUse of instances) for (const { token } of issued) lastUse.note(token, context.clock());
    for (const lastUse of instances) await lastUse.close();
    expect(written).toEqual([20, 20]);
    const tokens = await context.store.findMany(issued.map(({ token }) => token.id));
    expect(tokens.every((token) => token?.version === 2)).toBe(true);
  });

  test("is written at the close at the latest, and no timer stays behind", async () => {
    const { context, issue } = await openWorld();
    const { token } = await issue();
    const timers = vi.getTimerCount();
    const lastUse = createLastUse(context.store, context.clock);
    expect(vi.getTimerCount()).toBe(timers + 1);
    lastUse.note(token, context.clock());
    await lastUse.close();
    expect((await context.store.find(token.id))?.lastUsedTime).toBe(NOW);
    expect(vi.getTimerCount()).toBe(timers);
  });

  test("is forgotten without an error where the store fails, and later uses are written again", async () => {
    const { context, issue } = await openWorld();
    const { token } = await issue();
    let failing = true;
    const noteUses: typeof context.store.noteUses = (uses, precision) =>
      failing ? Promise.reject(new Error("lost")) : context.store.noteUses(uses, precision);
    const lastUse = createLastUse({ ...context.store, noteUses }, context.clock);
    lastUse.note(token, context.clock());
    await expect(lastUse.flush()).resolves.toBeUndefined();
    failing = false;
    await lastUse.flush();
    expect((await context.store.find(token.id))?.version).toBe(1);
    lastUse.note(token, context.clock());
    await lastUse.close();
    expect((await context.store.find(token.id))?.lastUsedTime).toBe(NOW);
  });
});

describe("a token that must not go unused", () => {
  const IDLE = 30 * MINUTE;
  const idleKind = (changes: Parameters<typeof kindOf>[0] = {}) =>
    kindOf({ idleTimeout: IDLE, defaultLifetime: 10 * HOUR, retention: HOUR, ...changes });

  async function openIdle(changes: Parameters<typeof kindOf>[0] = {}) {
    const world = await openWorld(idleKind(changes));
    const issued = await world.issue({ kind: "test" });
    const { context } = world;
    return {
      ...world,
      ...issued,
      /** Uses it, and has that written. */
      async use(question: Parameters<typeof ask>[1] = {}) {
        const verdict = await introspect(context, root, ask(issued.secret, question));
        await context.lastUse.flush();
        return verdict.active ? "ACTIVE" : verdict.reason;
      },
      find: () => context.store.find(issued.token.id),
    };
  }

  test("expires when it was not used for so long, to the millisecond", async () => {
    const { use, pass, token } = await openIdle();
    expect(token).toMatchObject({ idleTimeout: IDLE, expireTime: NOW + 10 * HOUR, purgeTime: NOW + IDLE + HOUR });
    pass(IDLE - 1);
    expect(await use({ peek: true })).toBe("ACTIVE");
    pass(1);
    expect(await use()).toBe("EXPIRED");
    expect(await use({ peek: true })).toBe("EXPIRED");
  });

  test("goes on with each use, until its expiry", async () => {
    const { use, pass, find } = await openIdle();
    for (let passed = 0; passed < 9.5 * HOUR; passed += 29 * MINUTE) {
      expect(await use()).toBe("ACTIVE");
      expect(await find()).toMatchObject({ lastUsedTime: NOW + passed });
      pass(29 * MINUTE);
    }
    expect(await use()).toBe("ACTIVE");
    expect(await find()).toMatchObject({ expireTime: NOW + 10 * HOUR, purgeTime: NOW + 11 * HOUR });
    pass(NOW + 10 * HOUR - ((await find())?.lastUsedTime ?? 0) - 1);
    expect(await use({ peek: true })).toBe("ACTIVE");
    pass(1);
    expect(await use({ peek: true })).toBe("EXPIRED");
  });

  test.each([
    ["a look", { peek: true }],
    ["a use that is refused", { scopes: ["x"] }],
  ])("does not go on with %s", async (_, question) => {
    const { use, pass } = await openIdle();
    pass(IDLE - 2 * MINUTE);
    await use(question);
    pass(2 * MINUTE);
    expect(await use()).toBe("EXPIRED");
  });

  test("is not moved on by the switch, nor by an edit", async () => {
    const { use, pass, context, token } = await openIdle();
    pass(IDLE - MINUTE);
    await setActive(context, root, { id: token.id }, false);
    await setActive(context, root, { id: token.id }, true);
    await updateToken(context, root, { id: token.id }, { label: "new" }, "");
    expect(await use({ peek: true })).toBe("ACTIVE");
    pass(MINUTE);
    expect(await use()).toBe("EXPIRED");
    expect((await setActive(context, root, { id: token.id }, true)).lastUsedTime).toBeUndefined();
    expect(await use()).toBe("EXPIRED");
  });

  test("is listed and deleted as expired, and dropped after its retention", async () => {
    const { use, pass, context, token, find } = await openIdle();
    const idle = { filter: { status: "EXPIRED" }, tenant: "acme", subject: "ada" } as const;
    const list = async () => (await listTokens(context, root, { ...idle, pageSize: 0, pageToken: "" })).tokens.length;
    pass(20 * MINUTE);
    expect(await use()).toBe("ACTIVE");
    pass(IDLE - 1);
    expect(await list()).toBe(0);
    pass(1);
    expect(await list()).toBe(1);
    pass(HOUR - 1);
    expect(await find()).toMatchObject({ id: token.id });
    pass(1);
    expect(await find()).toBeUndefined();
    expect(await list()).toBe(0);
  });

  test("is deleted with all that has expired", async () => {
    const { pass, context } = await openIdle();
    const expired = { filter: { status: "EXPIRED" }, tenant: "acme", subject: "ada", allSubjects: false } as const;
    const never = new AbortController().signal;
    pass(IDLE - 1);
    expect(await deleteTokens(context, root, expired, never)).toBe(0);
    pass(1);
    expect(await deleteTokens(context, root, expired, never)).toBe(1);
  });

  test("keeps its place while it is used, and no longer", async () => {
    const { use, pass, issue } = await openIdle({ maxPerSubject: 1 });
    pass(20 * MINUTE);
    await use();
    pass(20 * MINUTE);
    await expect(issue({ kind: "test" })).rejects.toMatchObject(refusal("CAP_REACHED"));
    pass(10 * MINUTE);
    expect((await issue({ kind: "test" })).secret).not.toBe("");
  });

  test("keeps its label while it is used, and no longer", async () => {
    const { context, issue, pass } = await openWorld(idleKind({ uniqueLabels: true }));
    const { secret } = await issue({ kind: "test", label: "a" });
    pass(20 * MINUTE);
    await introspect(context, root, ask(secret));
    await context.lastUse.flush();
    pass(20 * MINUTE);
    await expect(issue({ kind: "test", label: "a" })).rejects.toMatchObject(refusal("LABEL_TAKEN"));
    pass(10 * MINUTE);
    await expect(issue({ kind: "test", label: "a" })).resolves.toBeDefined();
  });

  test("that is used in its last minute is written before the answer, once for all who use it", async () => {
    const { context, secret, pass, find } = await openIdle();
    pass(IDLE - MINUTE);
    await introspect(context, root, ask(secret));
    expect(await find()).toMatchObject({ version: 1 });
    pass(1);
    const verdicts = await Promise.all(Array.from({ length: 20 }, () => introspect(context, root, ask(secret))));
    expect(verdicts.every(({ active }) => active)).toBe(true);
    expect(await find()).toMatchObject({ version: 2, lastUsedTime: NOW + IDLE - MINUTE + 1 });
    pass(MINUTE);
    expect(await introspect(context, root, ask(secret))).toMatchObject({ active: true });
  });

  test("is not brought back by a use that is written too late", async () => {
    const { context, secret, pass, use, find } = await openIdle();
    pass(IDLE - 2 * MINUTE);
    await introspect(context, root, ask(secret));
    pass(2 * MINUTE);
    await context.lastUse.flush();
    expect(await find()).toMatchObject({ version: 1 });
    expect(await use()).toBe("EXPIRED");
  });

  test("has a use noted again that lost against another change", async () => {
    const { context, secret, token, pass, use, find } = await openIdle();
    pass(20 * MINUTE);
    await introspect(context, root, ask(secret));
    await updateToken(context, root, { id: token.id }, { label: "new" }, "");
    await context.lastUse.flush();
    expect((await find())?.lastUsedTime).toBeUndefined();
    pass(MINUTE);
    expect(await use()).toBe("ACTIVE");
    expect(await find()).toMatchObject({ lastUsedTime: NOW + 21 * MINUTE, label: "new" });
  });

  test("is dropped with its end when its expiry is moved", async () => {
    const { context, token, pass, use } = await openIdle({ permanent: true });
    const move = (expireTime: number | undefined) => updateToken(context, root, { id: token.id }, { expireTime }, "");
    expect(await move(NOW + DAY)).toMatchObject({ expireTime: NOW + DAY, purgeTime: NOW + IDLE + HOUR });
    expect(await move(NOW + MINUTE)).toMatchObject({ purgeTime: NOW + MINUTE + HOUR });
    expect(await move(undefined)).toMatchObject({ expireTime: undefined, purgeTime: NOW + IDLE + HOUR });
    pass(IDLE);
    await expect(move(NOW + DAY)).rejects.toMatchObject(
      refusal("LIFETIME_INVALID", "expire_time: the token is expired; make a new one"),
    );
    expect(await use()).toBe("EXPIRED");
  });

  test("and has limited uses goes on with each of them, and is dropped after the last", async () => {
    const { use, pass, find } = await openIdle({ defaultUses: 2 });
    pass(20 * MINUTE);
    expect(await use()).toBe("ACTIVE");
    expect(await find()).toMatchObject({ usesLeft: 1, purgeTime: NOW + 50 * MINUTE + HOUR });
    pass(20 * MINUTE);
    expect(await use()).toBe("ACTIVE");
    expect(await find()).toMatchObject({ usesLeft: 0, purgeTime: NOW + 40 * MINUTE + HOUR });
    expect(await use()).toBe("EXHAUSTED");
  });

  test("and has limited uses left ends for want of use all the same", async () => {
    const { use, pass, find } = await openIdle({ defaultUses: 2 });
    pass(IDLE);
    expect(await use()).toBe("EXPIRED");
    const token = await find();
    expect(token && [statusOf(token, NOW + IDLE), token.usesLeft]).toEqual(["EXPIRED", 2]);
  });
});
