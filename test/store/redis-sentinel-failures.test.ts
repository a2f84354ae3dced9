import { afterEach, describe, expect, it, vi } from "vitest";
import { openRedisStore } from "../../src/store/redis.ts";
import type { Change, TokenStore } from "../../src/store/token-store.ts";
import { type RedisSentinels, type RedisSentinelsOptions, startRedisSentinels } from "../support/redis-sentinel.ts";
import { startLoad } from "./load.ts";
import { insertToken, newOwner } from "./tokens.ts";

/** What an operation may take, whatever happens, with what a loaded machine adds. */
const BOUND = 2000;

const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of cleanup.splice(0).reverse()) await end();
});

async function prepare(options?: RedisSentinelsOptions): Promise<{ group: RedisSentinels; store: TokenStore }> {
  const group = await startRedisSentinels({ pace: "brisk", ...options });
  cleanup.push(() => group.stop());
  return { group, store: await open(group.url, group.tls) };
}

async function open(url: string, tls?: RedisSentinels["tls"]): Promise<TokenStore> {
  const store = await openRedisStore({ url, tls });
  cleanup.push(() => store.close());
  return store;
}

/** A write is made, and the news of it arrive. */
async function expectServed(store: TokenStore, by: TokenStore = store): Promise<void> {
  const changes: Change[] = [];
  const stop = store.subscribe((change) => changes.push(change));
  const { id } = await insertToken(by, newOwner()).finally(() => stop);
  await vi.waitFor(() => expect(changes).toContainEqual({ type: "changed", id })).finally(stop);
}

describe("a master that sentinels know, under load", { timeout: 120_000 }, () => {
  it.each<[string, (group: RedisSentinels) => Promise<unknown>]>([
    ["was told to hand over", (group) => group.failOver()],
    ["was killed", async (group) => (await group.master()).kill()],
    ["was frozen", async (group) => (await group.master()).freeze()],
  ])("that %s is followed by another without a restart, and every operation ends in time", async (_, fail) => {
    const { group, store } = await prepare();
    const other = await open(group.url);
    const before = await group.master();
    const load = startLoad(store);
    await fail(group);
    await vi.waitFor(async () => expect(await group.master()).not.toBe(before), 15_000);
    await vi.waitFor(() => expectServed(store), 15_000);
    before.thaw();
    if (!before.isRunning()) await before.start();
    await group.untilHealthy();
    await vi.waitFor(() => expectServed(other, store), 15_000);
    const report = await load.stop();
    expect(report.slowest).toBeLessThan(BOUND);
  });

  it("is used on while no sentinel is there, and found again when they are back", async () => {
    const { group, store } = await prepare();
    for (const sentinel of group.sentinels) await sentinel.kill();
    await store.ping();
    await insertToken(store, newOwner());
    const start = performance.now();
    await expect(openRedisStore({ url: group.url })).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    expect(performance.now() - start).toBeLessThan(5000);
    for (const sentinel of group.sentinels) await sentinel.start();
    await group.untilHealthy();
    const before = await group.master();
    await before.kill();
    await vi.waitFor(() => expectServed(store), 20_000);
  });
});

describe("sentinels", { timeout: 60_000 }, () => {
  it("are asked with a password of their own, over TLS like the servers", async () => {
    const passwords = { password: "s%cret/", sentinelPassword: "w%tch/" };
    const group = await startRedisSentinels({ ...passwords, tls: true });
    cleanup.push(() => group.stop());
    const url = `${group.url}?sentinel_password=${encodeURIComponent(passwords.sentinelPassword)}`;
    await expectServed(await open(url, group.tls));
    for (const wrong of [
      group.url,
      `${group.url}?sentinel_password=wrong-word`,
      url.replace("s%25cret", "wrong-word"),
    ]) {
      const error = await openRedisStore({ url: wrong, tls: group.tls }).catch((error: unknown) => error);
      expect(error).toMatchObject({
        reason: "STORE_UNAVAILABLE",
        cause: { message: expect.stringMatching(/NOAUTH|WRONGPASS/) },
      });
      expect(JSON.stringify([error, (error as Error).cause, (error as Error).stack])).not.toContain("wrong-word");
    }
    await expect(openRedisStore({ url })).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
  });

  it("may be lost but for one, and name no master by a wrong name", async () => {
    const { group } = await prepare();
    const [, , last] = group.sentinels;
    const url = `redis+sentinel://127.0.0.1:1,127.0.0.1:2,127.0.0.1:${last?.port}/${group.name}`;
    await expectServed(await open(url));
    await expect(openRedisStore({ url: url.replace(group.name, "other") })).rejects.toMatchObject({
      reason: "STORE_UNAVAILABLE",
    });
  });
});
