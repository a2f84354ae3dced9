import { startProxy, type TcpProxy } from "./proxy.ts";
import { startRedisCluster } from "./redis-cluster.ts";
import type { RedisNode } from "./redis-node.ts";
import { startRedisSentinels } from "./redis-sentinel.ts";
import { startRedis } from "./redis-server.ts";

/** A store that several services share, with the network before it in the test's hands. */
export interface Topology {
  /** Where services find it, through the proxies. */
  readonly url: string;
  readonly proxies: readonly TcpProxy[];
  /** CLIENT KILL TYPE pubsub, everywhere. */
  killSubscriptions(): Promise<unknown>;
  stop(): Promise<void>;
}

/** All that Latchkey runs on and in which a change has a way to go. */
export const topologies: readonly (readonly [name: string, start: () => Promise<Topology>])[] = [
  ["one Redis", startSingle],
  ["Sentinel", startSentinels],
  ["Cluster", startCluster],
];

async function startSingle(): Promise<Topology> {
  const redis = await startRedis();
  const proxy = await startProxy(redis.port);
  return {
    url: `redis://127.0.0.1:${proxy.port}`,
    proxies: [proxy],
    killSubscriptions: () => redis.admin.call("CLIENT", "KILL", "TYPE", "pubsub"),
    async stop() {
      proxy.close();
      await redis.stop();
    },
  };
}

async function startSentinels(): Promise<Topology> {
  return overNodes(await startRedisSentinels({ proxies: true }));
}

async function startCluster(): Promise<Topology> {
  return overNodes(await startRedisCluster({ proxies: true }));
}

function overNodes(group: { url: string; nodes: readonly RedisNode[]; stop(): Promise<void> }): Topology {
  return {
    url: group.url,
    proxies: group.nodes.flatMap(({ proxy }) => (proxy ? [proxy] : [])),
    killSubscriptions: () =>
      Promise.all(group.nodes.map(({ admin }) => admin.call("CLIENT", "KILL", "TYPE", "pubsub"))),
    stop: () => group.stop(),
  };
}
