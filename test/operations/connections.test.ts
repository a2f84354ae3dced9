import type { Redis } from "ioredis";
import { expect, onTestFinished, test, vi } from "vitest";
import { startRedisCluster } from "../support/redis-cluster.ts";
import { startRedisSentinels } from "../support/redis-sentinel.ts";
import { startRedis } from "../support/redis-server.ts";
import { startService } from "../support/service.ts";
import { readTable } from "./page.ts";

/** How many connections of clients a server has, but for this one, and those of sentinels and replicas. */
async function countConnections(admin: Redis): Promise<number> {
  const own = await admin.client("ID");
  const lists = await Promise.all(["normal", "pubsub"].map((type) => admin.call("CLIENT", "LIST", "TYPE", type)));
  const lines = lists.flatMap((list) => String(list).trim().split("\n"));
  return lines.filter((line) => line !== "" && !line.startsWith(`id=${own} `) && !line.includes("name=sentinel"))
    .length;
}

/** How many connections a process adds to each of these groups of servers, before and after it was used. */
async function expectAdded(store: string, groups: readonly (readonly [servers: readonly Redis[], added: number])[]) {
  const countAll = () =>
    Promise.all(
      groups.map(async ([servers]) =>
        (await Promise.all(servers.map(countConnections))).reduce((sum, one) => sum + one),
      ),
    );
  const before = await countAll();
  const service = await startService({ LATCHKEY_STORE: store });
  onTestFinished(() => service.close());
  const wanted = groups.map(([, added], index) => (before[index] as number) + added);
  await vi.waitFor(async () => expect(await countAll()).toEqual(wanted), 5000);
  for (let owner = 0; owner < 20; owner++) {
    const { secret } = await service.client().create({ subject: `ada-${owner}`, kind: "personal" });
    expect((await service.client().introspect({ secret })).active).toBe(true);
  }
  expect(await countAll()).toEqual(wanted);
}

const told = Object.fromEntries(readTable("store").map(([store = "", ...counts]) => [store, counts.map(Number)]));

test("a process has three connections to one Redis", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const [count = 0] = told["`redis://`"] ?? [];
  await expectAdded(redis.url, [[[redis.admin], count]]);
});

test("to sentinels' master it has as many, and one to each sentinel", { timeout: 60_000 }, async () => {
  const group = await startRedisSentinels();
  onTestFinished(() => group.stop());
  const [toMaster = 0, toReplicas = 0, toSentinels = 0] = told["`redis+sentinel://`"] ?? [];
  const [master, ...replicas] = group.nodes.map(({ admin }) => admin);
  const sentinels = group.sentinels.map(({ admin }) => admin);
  expect([replicas.length, sentinels.length]).toEqual([2, 3]);
  await expectAdded(group.url, [
    [[master as Redis], toMaster],
    [replicas, 2 * toReplicas],
    [sentinels, 3 * toSentinels],
  ]);
});

test("to a cluster it has two to each master, and one for the news", { timeout: 60_000 }, async () => {
  const cluster = await startRedisCluster();
  onTestFinished(() => cluster.stop());
  const [toMaster = 0, toReplicas = 0] = told["`redis+cluster://`"] ?? [];
  const admins = cluster.nodes.map(({ admin }) => admin);
  await expectAdded(cluster.url, [
    [admins.slice(0, 3), 3 * toMaster + 1],
    [admins.slice(3), 3 * toReplicas],
  ]);
});
