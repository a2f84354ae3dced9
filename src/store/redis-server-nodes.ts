import { systemClock } from "../domain/clock.ts";
import { TokenError } from "../errors.ts";
import type { ChangeFeed } from "./change-feed.ts";
import { subscribeToChanges } from "./redis-changes.ts";
import { inspectRedis } from "./redis-checks.ts";
import { type ConnectionOptions, type Reader, RedisConnection } from "./redis-connection.ts";
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
  const connections: RedisConnection[] = [];
  const watch =
    "sentinels" in location
      ? new SentinelWatch(location, (master) => {
          for (const connection of connections) connection.renew(new Error(`${master} is the master now`));
        })
      : undefined;
  const claim = (client: ScriptedRedis) => data.claim(client).catch((error: unknown) => refuseLonely(error, watch));
  const shared = { location, claim, outages: options.outages };
  const writer = new RedisConnection({ ...shared, durability: options.durability });
  const reader = new RedisConnection(shared);
  try {
    await writer.open();
    await writer.use(refuseCluster);
    await reader.open();
    const { connection, feed } = await subscribeToChanges(shared);
    connections.push(writer, reader, connection);
    const { shardKey } = data;
    return new ServerNodes({ reader, writer, subscriber: connection, feed, watch, shardKey }, options);
  } catch (error) {
    watch?.close();
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

/**
 * A master that has lost its replicas can still be read; but where we don't hear most sentinels either, it may be the one that is cut
 * off, with us, and another the master by now.
 */
function refuseLonely(error: unknown, watch: SentinelWatch | undefined): never {
  if (watch?.isCutOff && error instanceof Error && error.message.startsWith("NOREPLICAS"))
    throw new Error("neither its replicas nor most sentinels are in reach: another may be the master by now");
  throw error;
}

interface Means {
  readonly reader: RedisConnection;
  readonly writer: RedisConnection;
  readonly subscriber: RedisConnection;
  readonly feed: ChangeFeed;
  readonly watch: SentinelWatch | undefined;
  readonly shardKey: Buffer;
}

class ServerNodes implements RedisNodes {
  readonly shardKey: Buffer;
  readonly clock: RedisNodes["clock"];
  readonly feed: ChangeFeed;
  readonly reads: RedisReads;
  readonly settled: RedisReads;
  readonly #means: Means;
  readonly #options: NodesOptions;

  constructor(means: Means, options: NodesOptions) {
    const { reader, writer } = means;
    this.#means = means;
    this.#options = options;
    this.shardKey = means.shardKey;
    this.clock = writer.clock.now;
    this.feed = means.feed;
    this.reads = new ServerReads(reader);
    const settling: Reader = { read: (run, callers) => writer.settle(run, callers) };
    this.settled = options.durability ? new ServerReads(settling) : this.reads;
  }

  write<T>(_key: string, run: (client: ScriptedRedis) => Promise<T>): Promise<T> {
    return this.#means.writer.settle(run);
  }

  note<T>(_key: string, run: (client: ScriptedRedis) => Promise<T>): Promise<T> {
    return this.#means.writer.use(run);
  }

  /** Slots don't matter to one server. */
  group<T>(items: Iterable<T>): T[][] {
    return [[...items]];
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
    const { reader, writer, subscriber, watch } = this.#means;
    this.feed.close();
    watch?.close();
    this.#options.outages.close();
    await Promise.all([reader, writer, subscriber].map((connection) => connection.close()));
  }
}

/** What one server has: its keys' slots don't matter. */
class ServerReads implements RedisReads {
  readonly #reader: Reader;
  readonly #values: ValueReader;

  constructor(reader: Reader) {
    this.#reader = reader;
    this.#values = new ValueReader(reader);
  }

  get(key: string): Promise<Buffer | null> {
    return this.#values.get(key);
  }

  getMany(keys: readonly string[]): Promise<readonly (Buffer | null)[]> {
    return this.#values.getMany(keys);
  }

  read<T>(_key: string, run: (client: ScriptedRedis) => Promise<T>): Promise<T> {
    return this.#reader.read(run);
  }
}
