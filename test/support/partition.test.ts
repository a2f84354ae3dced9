import { execFileSync } from "node:child_process";
import { expect, it, onTestFinished, vi } from "vitest";
import { openPartition, type Partition } from "./partition.ts";
import { type RedisCluster, startRedisCluster } from "./redis-cluster.ts";
import type { RedisNode } from "./redis-node.ts";
import { startRedisSentinels } from "./redis-sentinel.ts";
import { waitUntil } from "./wait.ts";

/** A key of the first shard. */
const KEY = "3";

const isRoot = process.platform === "linux" && process.getuid?.() === 0;

function open(): Partition {
  const partition = openPartition();
  onTestFinished(partition.close);
  return partition;
}

async function startCluster(partition: Partition): Promise<{ cluster: RedisCluster; old: RedisNode; next: RedisNode }> {
  const cluster = await startRedisCluster({ island: { partition, nodes: [0] } });
  onTestFinished(cluster.stop);
  return { cluster, old: cluster.nodes[0] as RedisNode, next: cluster.nodes[3] as RedisNode };
}

/** What a client says to a master, from a side or from where the test is. */
function say({ run }: Partition["island"], { host, port }: RedisNode, ...words: string[]): string {
  const [command = "", ...rest] = run(["timeout", "1", "redis-cli", "-h", host, "-p", `${port}`, ...words]);
  return execFileSync(command, rest, { encoding: "utf8" }).trim();
}

it("sets a cluster's master and its client apart: what it takes before it knows is lost", async () => {
  const partition = open();
  expect(partition.isNetwork).toBe(isRoot);
  const { cluster, old, next } = await startCluster(partition);
  const { mainland, island } = partition;
  expect(say(island, old, "SET", KEY, "before")).toBe("OK");
  await waitUntil("the replica has it", async () => (await next.admin.dbsize()) === 1);
  partition.cut([old]);
  if (partition.isNetwork) {
    expect(say(island, old, "SET", KEY, "after")).toBe("OK");
    expect(() => say(mainland, old, "PING")).toThrow();
  }
  await waitUntil("the mainland has a master", async () => (await cluster.masterOfKey(KEY)) === next, 20_000);
  if (partition.isNetwork) expect(say(island, old, "GET", KEY)).toBe("CLUSTERDOWN The cluster is down");
  partition.heal([old]);
  await cluster.untilHealthy();
  expect((await old.admin.role())[0]).toBe("slave");
  expect(say(mainland, next, "GET", KEY)).toBe("before");
});

it("sets the master of sentinels apart, which goes on to take writes", async () => {
  const partition = open();
  const group = await startRedisSentinels({ pace: "brisk", island: { partition, nodes: [0] } });
  onTestFinished(group.stop);
  const old = group.nodes[0] as RedisNode;
  partition.cut([old]);
  await waitUntil("the mainland has a master", async () => (await group.master()) !== old, 20_000);
  if (partition.isNetwork) expect(say(partition.island, old, "SET", KEY, "lost")).toBe("OK");
  partition.heal([old]);
  await group.untilHealthy();
  expect((await old.admin.role())[0]).toBe("slave");
  expect(await old.admin.get(KEY)).toBeNull();
});

it("freezes the island where there are no namespaces", async () => {
  vi.spyOn(process, "getuid").mockReturnValue(1000);
  onTestFinished(() => void vi.restoreAllMocks());
  const partition = open();
  expect(partition.isNetwork).toBe(false);
  const { cluster, old, next } = await startCluster(partition);
  partition.cut([old]);
  await waitUntil("the mainland has a master", async () => (await cluster.masterOfKey(KEY)) === next, 20_000);
  partition.heal([old]);
  await cluster.untilHealthy();
  expect((await old.admin.role())[0]).toBe("slave");
});
