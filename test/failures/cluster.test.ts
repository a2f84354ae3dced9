import { describe } from "vitest";
import { META_KEY } from "../../src/store/redis-keys.ts";
import { slotOf } from "../../src/store/redis-slots.ts";
import { openPartition } from "../support/partition.ts";
import { type RedisCluster, startRedisCluster } from "../support/redis-cluster.ts";
import type { RedisNode } from "../support/redis-node.ts";
import { waitUntil } from "../support/wait.ts";
import type { FailureCase, Topology } from "./failure-case.ts";
import { testCases } from "./test-cases.ts";

/** Three masters, each with a replica. */
interface Cluster extends Topology {
  readonly cluster: RedisCluster;
  /** Of the shard that cases are about: not the one that tells whether Latchkey is ready. */
  readonly master: RedisNode;
  readonly replica: RedisNode;
}

interface ClusterCase extends FailureCase<Cluster> {
  /** The master is on an island, which can be cut off. */
  readonly hasIsland?: boolean;
}

const CONFIG = { appendonly: "yes", appendfsync: "always" };
const SHARD = 0;
const KEY = "3"; // of slot …
void KEY;
void META_KEY;
void slotOf;

async function startCluster({ hasIsland }: ClusterCase): Promise<Cluster> {
  const partition = hasIsland ? openPartition() : undefined;
  const island = partition && { island: { partition, nodes: [SHARD] } };
  const cluster = await startRedisCluster({ config: CONFIG, ...island });
  const [master, replica] = cluster.shards[SHARD] as readonly [RedisNode, RedisNode];
  const stop = async () => {
    await cluster.stop();
    await partition?.close();
  };
  return { cluster, master, replica, url: cluster.url, shards: cluster.shards.length, partition, stop };
}

async function untilReplaced({ cluster, replica }: Cluster): Promise<void> {
  await waitUntil("the replica is master", async () => (await cluster.masterOf(0)) === replica, 20_000);
}

async function killMaster(servers: Cluster): Promise<void> {
  await servers.master.kill();
  await untilReplaced(servers);
}

async function freezeMaster(servers: Cluster): Promise<void> {
  servers.master.freeze();
  await untilReplaced(servers);
}

async function cutOff(servers: Cluster): Promise<void> {
  servers.partition?.cut([servers.master]);
  await untilReplaced(servers);
}

const CASES: readonly ClusterCase[] = [
  {
    what: "a master killed, and back when its replica has taken over",
    promised: false,
    begin: killMaster,
    end: ({ master }) => master.start(),
  },
  {
    what: "a master frozen, and thawed when its replica has taken over",
    promised: false,
    begin: freezeMaster,
    end: async ({ master }) => master.thaw(),
  },
  {
    what: "a master killed and started again before the others notice",
    promised: true,
    begin: async ({ master }) => {
      await master.kill();
      await master.start();
    },
  },
  {
    what: "`CLUSTER FAILOVER`",
    promised: true,
    ready: true,
    begin: ({ cluster, replica }) => cluster.failOver(replica),
  },
  {
    what: "a master on the minority side of a partition, with clients",
    hasIsland: true,
    promised: false,
    begin: cutOff,
    end: async ({ partition, master }) => partition?.heal([master]),
  },
  {
    what: "a replica killed, and back",
    promised: true,
    ready: true,
    begin: ({ replica }) => replica.kill(),
    end: ({ replica }) => replica.start(),
  },
  {
    what: "a replica frozen, and thawed",
    promised: true,
    ready: true,
    begin: async ({ replica }) => replica.freeze(),
    end: async ({ replica }) => replica.thaw(),
  },
  {
    what: "a whole shard killed, and back",
    promised: true,
    begin: ({ master, replica }) => Promise.all([master.kill(), replica.kill()]),
    end: ({ master, replica }) => Promise.all([master.start(), replica.start()]),
  },
  {
    what: "a whole shard frozen, and thawed",
    promised: true,
    lasts: 3000,
    begin: async ({ master, replica }) => [master, replica].forEach((node) => void node.freeze()),
    end: async ({ master, replica }) => [master, replica].forEach((node) => void node.thaw()),
  },
];

describe("a cluster of three masters, each with a replica", () => testCases(startCluster, CASES));
