import type { Redis } from "ioredis";
import { createFolder } from "./at-end.ts";
import { type ClientTls, prepareAccess, type RedisAccessOptions, userInfo } from "./redis-access.ts";
import { startRedisNode } from "./redis-node.ts";
import { waitUntil } from "./wait.ts";

export interface RedisServerOptions extends RedisAccessOptions {
  /** Makes it the only node of a cluster, which holds every slot. */
  readonly cluster?: boolean;
  /** Settings of redis.conf, such as `{ appendonly: "yes", appendfsync: "always" }`. */
  readonly config?: Readonly<Record<string, string>>;
}

export interface RedisServer {
  readonly port: number;
  /** With the password, if there is one. */
  readonly url: string;
  /** PEM texts: the authority that signed the server's certificate, and a client's certificate with its key. */
  readonly tls: ClientTls | undefined;
  /** A client for the test's own commands, as the default user. Ends with the server. */
  readonly admin: Redis;
  /** `kill -9`. The data stays for `start`. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and data. */
  start(): Promise<void>;
  /** SIGSTOP: it holds its connections and answers nothing. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** Ends it and deletes its data, as the end of this process does. */
  stop(): Promise<void>;
}

/** Starts a Redis server of its own, on a free port and in a temporary folder. Resolves when it answers. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const { password, cluster = false, config = {} } = options;
  const folder = createFolder("latchkey-redis-");
  try {
    const { tls, directives } = prepareAccess(folder.path, options);
    const { isRunning: _, ...node } = await startRedisNode({
      folder: `${folder.path}/data`,
      password,
      tls,
      configure: ({ bus }) => [
        ["save", ""],
        ["maxmemory-policy", "noeviction"],
        ...(cluster ? [["cluster-enabled", "yes"] as const, ["cluster-port", `${bus}`] as const] : []),
        ...directives,
        ...Object.entries(config),
      ],
    });
    if (cluster) {
      await node.admin.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
      await waitUntil("the cluster serves", async () =>
        (await node.admin.cluster("INFO")).includes("cluster_state:ok"),
      );
    }
    const url = `${tls ? "rediss" : "redis"}://${userInfo(password)}127.0.0.1:${node.port}`;
    const stop = () => node.stop().finally(folder.remove);
    return { ...node, url, tls, stop };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}
