import { setTimeout } from "node:timers/promises";
import { describe } from "vitest";
import { startProxy, type TcpProxy } from "../support/proxy.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import type { FailingServers, FailureCase } from "./failure-case.ts";
import { cutTwentyTimes } from "./network.ts";
import { testCases } from "./test-cases.ts";

/** One Redis that has each write on its disk before it answers, behind a proxy. */
interface Single extends FailingServers {
  readonly redis: RedisServer;
  readonly proxy: TcpProxy;
}

const PASSWORD = "the-old-word";

async function startSingle(): Promise<Single> {
  const redis = await startRedis({ password: PASSWORD, config: { appendonly: "yes", appendfsync: "always" } });
  const proxy = await startProxy(redis.port);
  return {
    redis,
    proxy,
    url: `redis://:${PASSWORD}@127.0.0.1:${proxy.port}`,
    shards: 1,
    async stop() {
      proxy.close();
      await redis.stop();
    },
  };
}

/** As an operator rotates it who forgets Latchkey. */
async function changePassword({ redis: { admin } }: Single, password: string): Promise<void> {
  await admin.config("SET", "requirepass", password);
  for (const type of ["normal", "pubsub"]) await admin.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
}

const CASES: readonly FailureCase<Single>[] = [
  {
    what: "killed (`kill -9`), started again",
    stands: { 0: true },
    ready: false,
    begin: ({ redis }) => redis.kill(),
    end: ({ redis }) => redis.start(),
  },
  {
    what: "killed and started again at once, five times",
    stands: { 0: true },
    lasts: 0,
    begin: async ({ redis }) => {
      for (let count = 0; count < 5; count++) {
        await redis.kill();
        await redis.start();
        await setTimeout(300);
      }
    },
  },
  {
    what: "frozen (`SIGSTOP`), thawed",
    stands: { 0: true },
    ready: false,
    lasts: 3000,
    begin: ({ redis }) => redis.freeze(),
    end: ({ redis }) => redis.thaw(),
  },
  {
    what: "out of memory (`maxmemory` reached, `noeviction`)",
    stands: { 0: true },
    ready: true,
    begin: ({ redis }) => redis.admin.config("SET", "maxmemory", "1"),
    end: ({ redis }) => redis.admin.config("SET", "maxmemory", "0"),
  },
  {
    what: "read-only (`min-replicas-to-write` without replicas)",
    stands: { 0: true },
    ready: true,
    begin: ({ redis }) => redis.admin.config("SET", "min-replicas-to-write", "1"),
    end: ({ redis }) => redis.admin.config("SET", "min-replicas-to-write", "0"),
  },
  {
    what: "read-only (`REPLICAOF` a master that is not there)",
    stands: { 0: true },
    begin: ({ redis }) => redis.admin.replicaof("127.0.0.1", 1),
    end: ({ redis }) => redis.admin.replicaof("no", "one"),
  },
  {
    what: "its password changed, and changed back",
    stands: { 0: true },
    ready: false,
    begin: (servers) => changePassword(servers, "the-new-word"),
    end: (servers) => changePassword(servers, PASSWORD),
  },
  {
    what: "150 ms away, each way",
    stands: { 0: true },
    begin: ({ proxy }) => proxy.delay(150),
    end: ({ proxy }) => proxy.delay(0),
  },
  {
    what: "a black hole: connections stay and nothing arrives",
    stands: { 0: true },
    ready: false,
    lasts: 3000,
    begin: ({ proxy }) => proxy.hold(),
    end: ({ proxy }) => proxy.release(),
  },
  {
    what: "connections cut, their last answers lost, twenty times",
    stands: { 0: true },
    lasts: 0,
    begin: ({ proxy }) => cutTwentyTimes([proxy]),
  },
];

describe("one Redis, `appendfsync always`", () => testCases(startSingle, CASES));
