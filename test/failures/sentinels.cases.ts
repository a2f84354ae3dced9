import { describe } from "vitest";
import { openPartition } from "../support/partition.ts";
import type { TcpProxy } from "../support/proxy.ts";
import type { RedisNode } from "../support/redis-node.ts";
import { type RedisSentinels, startRedisSentinels } from "../support/redis-sentinel.ts";
import { waitUntil } from "../support/wait.ts";
import type { FailingServers, FailureCase } from "./failure-case.ts";
import { cutTwentyTimes, delayAll } from "./network.ts";
import { testCases } from "./test-cases.ts";

/** A master with two replicas, and three sentinels. */
interface Sentinels extends FailingServers {
  readonly group: RedisSentinels;
  /** The one that begins as the master, and one of its replicas. */
  readonly master: RedisNode;
  readonly replica: RedisNode;
  readonly proxies: readonly TcpProxy[];
}

interface SentinelCase extends FailureCase<Sentinels> {
  /** Which servers are on an island that can be cut off: 0 is the master. */
  readonly island?: readonly number[];
  readonly isProxied?: boolean;
}

const PASSWORD = "the-old-word";

async function startSentinels({ island, isProxied = false }: SentinelCase): Promise<Sentinels> {
  const partition = island && openPartition();
  const group = await startRedisSentinels({
    pace: "brisk",
    password: PASSWORD,
    config: { appendonly: "yes", appendfsync: "always" },
    proxies: isProxied,
    ...(island && partition && { island: { partition, nodes: island } }),
  });
  const [master, replica] = group.nodes as [RedisNode, RedisNode];
  // A replica that is in sync confirms nothing before its first heartbeat.
  await master.admin.wait(2, 10_000);
  const stop = async () => {
    await group.stop();
    await partition?.close();
  };
  const proxies = group.nodes.flatMap(({ proxy }) => proxy ?? []);
  return { group, master, replica, proxies, url: group.url, shards: 1, partition, stop };
}

async function untilReplaced({ group, master }: Sentinels): Promise<void> {
  await waitUntil("another is master", async () => (await group.master()) !== master, 20_000);
}

const CASES: readonly SentinelCase[] = [
  {
    what: "the master killed, and back when another has taken over",
    stands: { 0: false, 2: true },
    begin: (servers) => servers.master.kill().then(() => untilReplaced(servers)),
    end: ({ master }) => master.start(),
  },
  {
    what: "the master frozen, and thawed when another has taken over",
    stands: { 0: false, 2: true },
    begin: (servers) => {
      servers.master.freeze();
      return untilReplaced(servers);
    },
    end: ({ master }) => master.thaw(),
  },
  {
    what: "the master killed and started again before the sentinels notice",
    stands: { 0: true },
    begin: ({ master }) => master.kill().then(master.start),
  },
  { what: "`SENTINEL FAILOVER`", stands: { 0: false, 2: true }, begin: ({ group }) => group.failOver() },
  {
    what: "the master on the minority side of a partition, with clients",
    island: [0],
    stands: { 0: false, 2: true },
    begin: (servers) => {
      servers.partition?.cut([servers.master]);
      return untilReplaced(servers);
    },
    end: ({ partition, master }) => partition?.heal([master]),
  },
  {
    what: "the master and a replica on the minority side of a partition, with clients",
    island: [0, 1],
    stands: { 0: false, 1: false, 2: true },
    begin: (servers) => {
      servers.partition?.cut([servers.master, servers.replica]);
      return untilReplaced(servers);
    },
    end: ({ partition, master, replica }) => partition?.heal([master, replica]),
  },
  {
    what: "a replica killed, and back",
    stands: { 0: true, 2: true },
    ready: true,
    begin: ({ replica }) => replica.kill(),
    end: ({ replica }) => replica.start(),
  },
  {
    what: "a replica frozen, and thawed",
    stands: { 1: true, 2: true },
    ready: true,
    begin: ({ replica }) => replica.freeze(),
    end: ({ replica }) => replica.thaw(),
  },
  {
    what: "a sentinel killed, and back",
    stands: { 0: true },
    ready: true,
    begin: ({ group: { sentinels } }) => sentinels[0]?.kill(),
    end: ({ group: { sentinels } }) => sentinels[0]?.start(),
  },
  {
    what: "all sentinels frozen, and thawed",
    stands: { 0: true },
    ready: true,
    begin: ({ group: { sentinels } }) => sentinels.forEach((sentinel) => void sentinel.freeze()),
    end: ({ group: { sentinels } }) => sentinels.forEach((sentinel) => void sentinel.thaw()),
  },
  {
    what: "the servers' password changed, and changed back",
    stands: { 0: true },
    ready: false,
    begin: ({ group }) => group.changePassword("the-new-word"),
    end: ({ group }) => group.changePassword(PASSWORD),
  },
  {
    what: "servers 100 ms away, each way",
    isProxied: true,
    stands: { 0: true },
    begin: ({ proxies }) => delayAll(proxies, 100),
    end: ({ proxies }) => delayAll(proxies, 0),
  },
  {
    what: "connections to the servers cut, their last answers lost, twenty times",
    isProxied: true,
    stands: { 0: true },
    lasts: 0,
    begin: ({ proxies }) => cutTwentyTimes(proxies),
  },
];

describe("a master and two replicas under Sentinel", () => testCases(startSentinels, CASES));
