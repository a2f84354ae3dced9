import { TokenError } from "../errors.ts";
import type { ChangeFeed } from "./change-feed.ts";
import { subscribeToChanges } from "./redis-changes.ts";
import { type ConnectionOptions, RedisConnection } from "./redis-connection.ts";
import { DataClaim } from "./redis-data-claim.ts";
import type { RedisNodes } from "./redis-nodes.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";
import { SentinelWatch } from "./redis-sentinel-watch.ts";
import { ValueReader } from "./redis-values.ts";

/**
 * Connects to one server, or to the master that sentinels know.
 *
 * @throws INVALID_REQUEST if it is a node of a cluster, STORE_UNAVAILABLE if it does not serve us.
 */
export async function openServerNodes(location: ConnectionOptions["location"]): Promise<RedisNodes> {
  const data = new DataClaim();
  const claim = (client: ScriptedRedis) => data.claim(client);
  const writer = new RedisConnection({ location, claim, pipelining: false });
  const reader = new RedisConnection({ location, claim, pipelining: true });
  try {
    await writer.open();
    await writer.use(refuseCluster);
    await reader.open();
    const { connection, feed } = await subscribeToChanges({ location, claim });
    return new ServerNodes(location, { reader, writer, subscriber: connection, feed, shardKey: data.shardKey });
  } catch (error) {
    await Promise.all([writer.close(), reader.close()]);
    throw error;
  }
}

/** Most of what we do would fail there, but not at once. */
async function refuseCluster(client: ScriptedRedis): Promise<void> {
  const isClusterNode = await client.cluster("INFO").then(
    () => true,
    () => false,
  );
  if (isClusterNode)
    throw new TokenError(
      "INVALID_REQUEST",
      "the Redis server is a node of a cluster, whose location is redis[s]+cluster://…",
    );
}

interface Connections {
  readonly reader: RedisConnection;
  readonly writer: RedisConnection;
  readonly subscriber: RedisConnection;
  readonly feed: ChangeFeed;
  readonly shardKey: Buffer;
}

class ServerNodes implements RedisNodes {
  readonly shardKey: Buffer;
  readonly clock: RedisNodes["clock"];
  readonly feed: ChangeFeed;
  readonly #connections: Connections;
  readonly #values: ValueReader;
  readonly #watch: SentinelWatch | undefined;

  constructor(location: ConnectionOptions["location"], connections: Connections) {
    this.#connections = connections;
    this.#values = new ValueReader(connections.reader);
    this.shardKey = connections.shardKey;
    this.clock = connections.writer.clock.now;
    this.feed = connections.feed;
    const { reader, writer, subscriber } = connections;
    if ("sentinels" in location) {
      this.#watch = new SentinelWatch(location, () => {
        for (const connection of [reader, writer, subscriber]) connection.renew();
      });
    }
  }

  get(key: string): Promise<Buffer | null> {
    return this.#values.get(key);
  }

  read<T>(_key: string, run: (client: ScriptedRedis) => Promise<T>): Promise<T> {
    return this.#connections.reader.read(run);
  }

  write<T>(_key: string, run: (client: ScriptedRedis) => Promise<T>): Promise<T> {
    return this.#connections.writer.use(run);
  }

  async ping(): Promise<void> {
    const { reader, writer } = this.#connections;
    await Promise.all([reader.ping(), writer.ping()]);
  }

  async close(): Promise<void> {
    const { reader, writer, subscriber } = this.#connections;
    this.feed.close();
    this.#watch?.close();
    await Promise.all([reader, writer, subscriber].map((connection) => connection.close()));
  }
}
