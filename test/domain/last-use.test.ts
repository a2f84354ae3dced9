import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { introspect } from "../../src/domain/introspect.ts";
import { createLastUse } from "../../src/domain/last-use.ts";
import { setActive } from "../../src/domain/set-active.ts";
import { ask, MINUTE, NOW, openWorld, root, SECOND } from "./world.ts";

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
    expect(await context.store.find(edited.token.id)).toMatchObject({ active: false, version: 2 });
    expect(await context.store.find(deleted.token.id)).toBeUndefined();
  });

  test("is written at the close at the latest, and no timer stays behind", async () => {
    const { context, issue } = await openWorld();
    const { token } = await issue();
    const timers = vi.getTimerCount();
    const lastUse = createLastUse(context.store, context.clock);
    expect(vi.getTimerCount()).toBe(timers + 1);
    lastUse.note(token);
    await lastUse.close();
    expect((await context.store.find(token.id))?.lastUsedTime).toBe(NOW);
    expect(vi.getTimerCount()).toBe(timers);
  });

  test("is forgotten without an error where the store fails, and later uses are written again", async () => {
    const { context, issue } = await openWorld();
    const { token } = await issue();
    let failing = true;
    const replace: typeof context.store.replace = (previous, next) =>
      failing ? Promise.reject(new Error("lost")) : context.store.replace(previous, next);
    const lastUse = createLastUse({ ...context.store, replace }, context.clock);
    lastUse.note(token);
    await expect(lastUse.flush()).resolves.toBeUndefined();
    failing = false;
    await lastUse.flush();
    expect((await context.store.find(token.id))?.version).toBe(1);
    lastUse.note(token);
    await lastUse.close();
    expect((await context.store.find(token.id))?.lastUsedTime).toBe(NOW);
  });
});
