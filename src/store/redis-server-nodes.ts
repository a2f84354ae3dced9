import { systemClock } from "../domain/clock.ts";
import { TokenError } from "../errors.ts";
import type { ChangeFeed } from "./change-feed.ts";
import { subscribeToChanges } from "./redis-changes.ts";
import { inspectRedis } from "./redis-checks.ts";
import { type ConnectionOptions, RedisConnection } from "./redis-connection.ts";
import { DataClaim } from "./redis-data-claim.ts";
import type { NodesOptions, RedisNodes, RedisReads } from "./redis-nodes.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";
import { SentinelWatch } from "./redis-sentinel-watch.ts";
import { ValueReader } from "./redis-values.ts";
import type { Weakness } from "./token-store.ts";

/**
 * Connects to one server, or to the master that sentinels know.
 *
 * @throws INVALID_REQUEST if it is a node of a cluster, STORE_UNAVAILABLE if it does not serve us.
 */
export async function openServerNodes(
  location: ConnectionOptions["location"],
  options: NodesOptions,
): Promise<RedisNodes> {
  const data = new DataClaim();
  const claim = (client: ScriptedRedis) => data.claim(client);
  const shared = { location, claim, outages: options.outages };
  const writer = new RedisConnection({ ...shared, pipelining: false, durability: options.durability });
  const reader = new RedisConnection({ ...shared, pipelining: true });
  try {
    await writer.open();
    await writer.use(refuseCluster);
    await reader.open();
    const { connection, feed } = await subscribeToChanges(shared);
    const { shardKey } = data;
    return new ServerNodes({ location, reader, writer, subscriber: connection, feed, shardKey }, options);
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

interface Means {
  readonly location: ConnectionOptions["location"];
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
  readonly settled: RedisReads;
  readonly #means: Means;
  readonly #options: NodesOptions;
  readonly #values: ValueReader;
  readonly #watch: SentinelWatch | undefined;

  constructor(means: Means, options: NodesOptions) {
    const { location, reader, writer, subscriber } = means;
    this.#means = means;
    this.#options = options;
    this.#values = new ValueReader(reader);
    this.shardKey = means.shardKey;
    this.clock = writer.clock.now;
    this.feed = means.feed;
    this.settled = options.durability ? new SettledReads(writer) : this;
    if ("sentinels" in location) {
      this.#watch = new SentinelWatch(location, (master) => {
        const reason = new Error(`${master} is the master now`);
        for (const connection of [reader, writer, subscriber]) connection.renew(reason);
      });
    }
  }

  get(key: string): Promise<Buffer | null> {
    return this.#values.get(key);
  }

  read<T>(_key: string, run: (client: ScriptedRedis) => Promise<T>): Promise<T> {
    return this.#means.reader.read(run);
  }

  write<T>(_key: string, run: (client: ScriptedRedis) => Promise<T>): Promise<T> {
    return this.#means.writer.settle(run);
  }

  note<T>(_key: string, run: (client: ScriptedRedis) => Promise<T>): Promise<T> {
    return this.#means.writer.use(run);
  }

  inspect(): Promise<Weakness[]> {
    const lead = this.clock() - systemClock();
    return this.#means.writer.use((client) => inspectRedis(client, { durability: this.#options.durability, lead }));
  }

  async ping(): Promise<void> {
    const { reader, writer } = this.#means;
    await Promise.all([reader.ping(), writer.ping()]);
  }

  async close(): Promise<void> {
    const { reader, writer, subscriber } = this.#means;
    this.feed.close();
    this.#watch?.close();
    this.#options.outages.close();
    await Promise.all([reader, writer, subscriber].map((connection) => connection.close()));
  }
}

/** Over the connection that waits for the replicas. */
class SettledReads implements RedisReads {
  readonly #writer: RedisConnection;
  readonly #values: ValueReader;

  constructor(writer: RedisConnection) {
    this.#writer = writer;
    this.#values = new ValueReader({ read: (run, callers) => writer.settle(run, callers) });
  }

  get(key: string): Promise<Buffer | null> {
    return this.#values.get(key);
  }

  read<T>(_key: string, run: (client: ScriptedRedis) => Promise<T>): Promise<T> {
    return this.#writer.settle(run);
  }
}
