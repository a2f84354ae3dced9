import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, expect, it, onTestFinished } from "vitest";
import type { RedisNode } from "./redis-node.ts";
import { type RedisSentinels, startRedisSentinels } from "./redis-sentinel.ts";
import { waitUntil } from "./wait.ts";

let group: RedisSentinels;
beforeAll(async () => {
  group = await startRedisSentinels({
    proxies: true,
    password: "of-servers",
    sentinelPassword: "of-sentinels",
    pace: "brisk",
  });
});
afterEach(() => group.untilHealthy());
afterAll(() => group.stop());

/** A client as users have it. */
function connect(options: { password?: string } = {}): Redis {
  const client = new Redis({
    sentinels: group.sentinels.map(({ host, announced }) => ({ host, port: announced })),
    name: group.name,
    password: "of-servers",
    sentinelPassword: "of-sentinels",
    ...options,
  });
  client.on("error", () => {});
  onTestFinished(() => client.disconnect());
  return client;
}

const untilOther = (before: RedisNode) =>
  waitUntil("another is master", async () => (await group.master()) !== before, 20_000);

it("has a master with two replicas, behind proxies that clients are told of", async () => {
  const client = connect();
  await client.set("lk:a", "v");
  expect(await client.wait(2, 1000)).toBe(2);
  const master = await group.master();
  expect(master).toBe(group.nodes[0]);
  expect(client.stream.remotePort).toBe(master.announced);
  master.proxy?.delay(30);
  const start = performance.now();
  await client.get("lk:a");
  expect(performance.now() - start).toBeGreaterThanOrEqual(60);
  master.proxy?.delay(0);
});

it("survives kill -9 of its master, which comes back as a replica", async () => {
  const master = await group.master();
  await master.kill();
  await untilOther(master);
  await master.start();
  await group.untilHealthy();
  expect((await master.admin.role())[0]).toBe("slave");
});

it("survives a master that is frozen, or in a black hole", async () => {
  const master = await group.master();
  master.freeze();
  await untilOther(master);
  master.thaw();
  await group.untilHealthy();
  const next = await group.master();
  next.proxy?.hold();
  await untilOther(next);
  next.proxy?.release();
});

it("fails over when it is told to, and without one of its sentinels", async () => {
  const [sentinel] = group.sentinels as [RedisNode];
  const master = await group.master();
  await sentinel.kill();
  await group.failOver();
  expect(await group.master()).not.toBe(master);
  await sentinel.start();
  await group.untilHealthy();
  await waitUntil("the old one is a replica", async () => (await master.admin.role())[0] === "slave");
  await expect(master.admin.set("lk:a", "v")).rejects.toThrow(/^READONLY/);
});

it("lets nobody in with the old password after a change, and fails over with the new one", async () => {
  const old = connect();
  await old.ping();
  const refusals: string[] = [];
  old.on("error", ({ message }) => refusals.push(message));
  await group.changePassword("another");
  await waitUntil("the old one is refused", async () => refusals.some((message) => message.startsWith("WRONGPASS")));
  const master = await group.master();
  await group.untilHealthy();
  await group.failOver();
  expect(await group.master()).not.toBe(master);
  expect(await connect({ password: "another" }).ping()).toBe("PONG");
});

it("serves TLS only, to clients and between its servers and sentinels", async () => {
  const secure = await startRedisSentinels({ tls: true });
  onTestFinished(secure.stop);
  await secure.failOver();
  const tls = { ...secure.tls };
  const sentinels = secure.sentinels.map(({ host, announced }) => ({ host, port: announced }));
  const client = new Redis({ sentinels, name: secure.name, enableTLSForSentinelMode: true, sentinelTLS: tls, tls });
  onTestFinished(() => client.disconnect());
  expect(await client.set("lk:a", "v")).toBe("OK");
  expect(secure.url).toMatch(/^rediss\+sentinel:\/\/.*\/latchkey$/);
});
