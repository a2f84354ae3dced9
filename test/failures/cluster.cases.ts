import { describe } from "vitest";
import { META_KEY } from "../../src/store/redis-keys.ts";
import { slotOf } from "../../src/store/redis-slots.ts";
import { openPartition } from "../support/partition.ts";
import type { TcpProxy } from "../support/proxy.ts";
import { type RedisCluster, startRedisCluster } from "../support/redis-cluster.ts";
import type { RedisNode } from "../support/redis-node.ts";
import { waitUntil } from "../support/wait.ts";
import type { FailingServers, FailureCase } from "./failure-case.ts";
import { cutTwentyTimes, delayAll } from "./network.ts";
import { testCases } from "./test-cases.ts";

/** Three masters, each with a replica. */
interface Cluster extends FailingServers {
  readonly cluster: RedisCluster;
  /** Of the shard that `lk:meta` is in: the one that tells whether Latchkey is ready. */
  readonly master: RedisNode;
  readonly replica: RedisNode;
  readonly proxies: readonly TcpProxy[];
}

interface ClusterCase extends FailureCase<Cluster> {
  /** The master is on an island that can be cut off. */
  readonly hasIsland?: boolean;
  readonly isProxied?: boolean;
}

const PASSWORD = "the-old-word";
/** Which of the masters has `lk:meta`. */
const HOME = 1;

async function startCluster({ hasIsland, isProxied = false }: ClusterCase): Promise<Cluster> {
  const partition = hasIsland ? openPartition() : undefined;
  const cluster = await startRedisCluster({
    password: PASSWORD,
    config: { appendonly: "yes", appendfsync: "always" },
    proxies: isProxied,
    ...(partition && { island: { partition, nodes: [HOME] } }),
  });
  const [master, replica] = cluster.shards[HOME] as readonly [RedisNode, RedisNode];
  // A replica that is in sync confirms nothing before its first heartbeat.
  await Promise.all(cluster.shards.map(([{ admin }]) => admin.wait(1, 10_000)));
  const stop = async () => {
    await cluster.stop();
    await partition?.close();
  };
  const proxies = cluster.nodes.flatMap(({ proxy }) => proxy ?? []);
  return { cluster, master, replica, proxies, url: cluster.url, shards: cluster.shards.length, partition, stop };
}

async function untilReplaced({ cluster, replica }: Cluster): Promise<void> {
  const isMaster = async () => (await cluster.masterOf(slotOf(META_KEY))) === replica;
  await waitUntil("the replica is master", isMaster, 20_000);
}

const CASES: readonly ClusterCase[] = [
  {
    what: "a master killed, and back when its replica has taken over",
    stands: { 0: false, 1: true },
    begin: (servers) => servers.master.kill().then(() => untilReplaced(servers)),
    end: ({ master }) => master.start(),
  },
  {
    what: "a master frozen, and thawed when its replica has taken over",
    stands: { 0: false, 1: true },
    begin: (servers) => {
      servers.master.freeze();
      return untilReplaced(servers);
    },
    end: ({ master }) => master.thaw(),
  },
  {
    what: "a master killed and started again before the others notice",
    stands: { 0: true },
    begin: ({ master }) => master.kill().then(master.start),
  },
  {
    what: "`CLUSTER FAILOVER`",
    stands: { 0: true },
    ready: true,
    begin: ({ cluster, replica }) => cluster.failOver(replica),
  },
  {
    what: "`CLUSTER FAILOVER TAKEOVER`",
    stands: { 0: false, 1: true },
    begin: ({ cluster, replica }) => cluster.failOver(replica, "TAKEOVER"),
  },
  {
    what: "a master on the minority side of a partition, with clients",
    hasIsland: true,
    stands: { 0: false, 1: true },
    begin: (servers) => {
      servers.partition?.cut([servers.master]);
      return untilReplaced(servers);
    },
    end: ({ partition, master }) => partition?.heal([master]),
  },
  {
    what: "a replica killed, and back",
    stands: { 0: true },
    ready: true,
    begin: ({ replica }) => replica.kill(),
    end: ({ replica }) => replica.start(),
  },
  {
    what: "a replica frozen, and thawed",
    stands: { 1: true },
    ready: true,
    begin: ({ replica }) => replica.freeze(),
    end: ({ replica }) => replica.thaw(),
  },
  {
    what: "a whole shard killed, and back",
    stands: { 1: true },
    ready: false,
    begin: ({ master, replica }) => Promise.all([master.kill(), replica.kill()]),
    end: ({ master, replica }) => Promise.all([master.start(), replica.start()]),
  },
  {
    what: "a whole shard frozen, and thawed",
    stands: { 0: true },
    ready: false,
    lasts: 3000,
    begin: ({ master, replica }) => [master, replica].forEach((node) => void node.freeze()),
    end: ({ master, replica }) => [master, replica].forEach((node) => void node.thaw()),
  },
  {
    what: "its password changed, and changed back",
    stands: { 0: true },
    ready: false,
    begin: ({ cluster }) => cluster.changePassword("the-new-word"),
    end: ({ cluster }) => cluster.changePassword(PASSWORD),
  },
  {
    what: "servers 100 ms away, each way",
    isProxied: true,
    stands: { 0: true },
    begin: ({ proxies }) => delayAll(proxies, 100),
    end: ({ proxies }) => delayAll(proxies, 0),
  },
  {
    what: "connections cut, their last answers lost, twenty times",
    isProxied: true,
    stands: { 0: true },
    lasts: 0,
    begin: ({ proxies }) => cutTwentyTimes(proxies),
  },
];

describe("a cluster of three masters, each with a replica", () => testCases(startCluster, CASES));
