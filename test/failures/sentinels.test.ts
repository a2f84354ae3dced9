import { describe } from "vitest";
import { openPartition, type Partition } from "../support/partition.ts";
import type { RedisNode } from "../support/redis-node.ts";
import { type RedisSentinels, startRedisSentinels } from "../support/redis-sentinel.ts";
import { waitUntil } from "../support/wait.ts";
import type { FailureCase, Topology } from "./failure-case.ts";
import { testCases } from "./test-cases.ts";

/** A master with two replicas, and three sentinels. */
interface Sentinels extends Topology {
  readonly group: RedisSentinels;
  /** The one that began as the master, and its replicas. */
  readonly first: RedisNode;
  readonly replicas: readonly [RedisNode, RedisNode];
}

const CONFIG = { appendonly: "yes", appendfsync: "always" };

interface SentinelCase extends FailureCase<Sentinels> {
  /** The first master is on an island, which can be cut off. */
  readonly hasIsland?: boolean;
}

async function startSentinels({ hasIsland }: SentinelCase): Promise<Sentinels> {
  const partition = hasIsland ? openPartition() : undefined;
  const island = partition && { island: { partition, nodes: [0] } };
  const group = await startRedisSentinels({ pace: "brisk", config: CONFIG, ...island });
  const [first, ...replicas] = group.nodes as [RedisNode, RedisNode, RedisNode];
  const stop = async () => {
    await group.stop();
    await partition?.close();
  };
  return { group, first, replicas, url: group.url, shards: 1, partition, stop };
}

async function untilReplaced({ group, first }: Sentinels): Promise<void> {
  await waitUntil("another is master", async () => (await group.master()) !== first, 20_000);
}

async function killMaster(servers: Sentinels): Promise<void> {
  await servers.first.kill();
  await untilReplaced(servers);
}

async function freezeMaster(servers: Sentinels): Promise<void> {
  servers.first.freeze();
  await untilReplaced(servers);
}

async function cutOff(servers: Sentinels): Promise<void> {
  servers.partition?.cut([servers.first]);
  await untilReplaced(servers);
}

const heal = async ({ partition, first }: { partition?: Partition | undefined; first: RedisNode }) =>
  partition?.heal([first]);

const CASES: readonly SentinelCase[] = [
  {
    what: "the master killed, and back when another has taken over",
    promised: false,
    begin: killMaster,
    end: ({ first }) => first.start(),
  },
  {
    what: "the master frozen, and thawed when another has taken over",
    promised: false,
    begin: freezeMaster,
    end: async ({ first }) => first.thaw(),
  },
  {
    what: "the master killed and started again before the sentinels notice",
    promised: true,
    begin: async ({ first }) => {
      await first.kill();
      await first.start();
    },
  },
  { what: "`SENTINEL FAILOVER`", promised: false, begin: ({ group }) => group.failOver() },
  {
    what: "the master on the minority side of a partition, with clients",
    hasIsland: true,
    promised: false,
    begin: cutOff,
    end: heal,
  },
  {
    what: "a replica killed, and back",
    promised: true,
    ready: true,
    begin: ({ replicas: [replica] }) => replica.kill(),
    end: ({ replicas: [replica] }) => replica.start(),
  },
  {
    what: "a replica frozen, and thawed",
    promised: true,
    ready: true,
    begin: async ({ replicas: [replica] }) => replica.freeze(),
    end: async ({ replicas: [replica] }) => replica.thaw(),
  },
  {
    what: "a sentinel killed, and back",
    promised: true,
    ready: true,
    begin: ({ group: { sentinels } }) => sentinels[0]?.kill() ?? Promise.resolve(),
    end: ({ group: { sentinels } }) => sentinels[0]?.start() ?? Promise.resolve(),
  },
  {
    what: "all sentinels frozen, and thawed",
    promised: true,
    ready: true,
    begin: async ({ group: { sentinels } }) => sentinels.forEach((sentinel) => void sentinel.freeze()),
    end: async ({ group: { sentinels } }) => sentinels.forEach((sentinel) => void sentinel.thaw()),
  },
];

describe("a master and two replicas under Sentinel", () => testCases(startSentinels, CASES));
