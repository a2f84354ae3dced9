import { randomBytes } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { type Clock, systemClock } from "../domain/clock.ts";
import type { Owner, Token } from "../domain/token.ts";
import type { ChangeFeed } from "./change-feed.ts";
import { announce, subscribeToChanges } from "./redis-changes.ts";
import { inspectRedis } from "./redis-checks.ts";
import { type Reader, RedisConnection } from "./redis-connection.ts";
import type { Durability } from "./redis-durable.ts";
import { RecordFinder } from "./redis-finds.ts";
import { aliasKey, claimKey, FINGERPRINTS_KEY, FREE_KEY } from "./redis-keys.ts";
import { parseRedisUrl, type RedisTls } from "./redis-location.ts";
import { RedisOutages } from "./redis-outages.ts";
import { readPage } from "./redis-pages.ts";
import { type Removal, removeTokens } from "./redis-removal.ts";
import { PAUSE, RedisRemover } from "./redis-remover.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";
import { noteUses } from "./redis-uses.ts";
import { insertToken, replaceToken, timeText } from "./redis-writes.ts";
import { aliasTaken, contended, idTaken } from "./rules.ts";
import { SHARD_KEY_LENGTH, shardTagger } from "./shard.ts";
import type { StoreListener } from "./store-events.ts";
import type { Change, Claim, InsertOptions, Mark, PageRange, TokenStore } from "./token-store.ts";

/** How often, in milliseconds, a write tries again that a removal holds up. */
const PAUSE_POLL = 20;
/** The answers of writes that were made, now or before. */
const WRITTEN: ReadonlySet<string> = new Set(["inserted", "replaced", "repeated"]);

export type { RedisTls };

export interface RedisStoreOptions {
  /** `redis://` or `rediss://`; see `parseRedisUrl`. */
  readonly url: string;
  readonly tls?: RedisTls | undefined;
  /** What `settled` acknowledges, and each write. Default: what the server has. */
  readonly durability?: Durability | undefined;
  readonly listener?: StoreListener | undefined;
}

/**
 * Opens the store on one Redis server, 7.0 or newer.
 *
 * @throws INVALID_REQUEST for a URL of another form, STORE_UNAVAILABLE if the server does not serve us.
 */
export async function openRedisStore({ url, tls, durability, listener }: RedisStoreOptions): Promise<TokenStore> {
  const shared = { location: parseRedisUrl(url, tls), outages: new RedisOutages(listener) };
  const freshKey = randomBytes(SHARD_KEY_LENGTH).toString("hex");
  const writer = new RedisConnection({ ...shared, pipelining: false, shardKey: freshKey, durability });
  await writer.open();
  const { shardKey } = writer;
  const reader = new RedisConnection({ ...shared, pipelining: true, shardKey });
  try {
    await reader.open();
    const { connection, feed } = await subscribeToChanges({ ...shared, shardKey });
    return new RedisStore({ reader, writer, subscriber: connection, feed, durability });
  } catch (error) {
    await Promise.all([writer.close(), reader.close()]);
    throw error;
  }
}

interface Means {
  readonly reader: RedisConnection;
  readonly writer: RedisConnection;
  readonly subscriber: RedisConnection;
  readonly feed: ChangeFeed;
  readonly durability: Durability | undefined;
}

class RedisStore implements TokenStore {
  readonly shardTag: (owner: Owner) => string;
  readonly clock: Clock;
  readonly settled: TokenStore;
  readonly #means: Means;
  readonly #reader: Reader;
  readonly #finder: RecordFinder;
  readonly #writer: RedisConnection;
  readonly #remover: RedisRemover;
  readonly #feed: ChangeFeed;

  constructor(means: Means, reader: Reader = means.reader) {
    const { writer, feed, durability } = means;
    this.#means = means;
    this.#reader = reader;
    this.#finder = new RecordFinder(reader);
    this.#writer = writer;
    this.#remover = new RedisRemover(reader, writer, (removal) => this.#remove(removal));
    this.clock = writer.clock.now;
    this.#feed = feed;
    this.shardTag = shardTagger(Buffer.from(writer.shardKey, "hex"));
    const settles = reader === means.reader && (durability?.replicas ?? 0) > 0;
    this.settled = settles ? new RedisStore(means, { read: (run, callers) => writer.settle(run, callers) }) : this;
  }

  async insert(token: Token, options: InsertOptions = {}) {
    const ids = [...(options.parent ? [options.parent.next.id] : []), token.id];
    const answer = await this.#write(ids, (client) => insertToken(client, token, options));
    if (answer === "id-taken") throw idTaken();
    return answer;
  }

  find(id: string) {
    return this.#finder.find(id);
  }

  findMany(ids: readonly string[]) {
    return this.#finder.findMany(ids);
  }

  replace(previous: Token, next: Token, mark?: Mark) {
    return this.#write([next.id], (client) => replaceToken(client, previous, next, mark));
  }

  noteUses(uses: ReadonlyMap<string, number>, precision: number) {
    return noteUses(this.#writer, uses, precision);
  }

  async claim({ tag, name, value, until }: Claim) {
    const key = claimKey(tag, name);
    const known = await this.#writer.settle((client) => client.set(key, value, "PXAT", timeText(until), "NX", "GET"));
    return known ?? value;
  }

  async findClaim(tag: string, name: string) {
    return (await this.#reader.read((client) => client.get(claimKey(tag, name)))) ?? undefined;
  }

  async addAlias(alias: string, id: string, purgeTime: number | undefined) {
    const key = aliasKey(alias);
    await this.#writer.settle(async (client) => {
      const until = purgeTime === undefined ? undefined : timeText(purgeTime);
      const known = await (until === undefined
        ? client.set(key, id, "NX", "GET")
        : client.set(key, id, "PXAT", until, "NX", "GET"));
      if (known === null) return;
      if (known !== id) throw aliasTaken();
      await (until === undefined ? client.persist(key) : client.pexpireat(key, until, "GT"));
    });
  }

  findAliases(aliases: readonly string[]) {
    return this.#reader.read((client) => {
      return Promise.all(aliases.map(async (alias) => (await client.get(aliasKey(alias))) ?? undefined));
    });
  }

  page(range: PageRange) {
    return this.#reader.read((client) => readPage(client, this.shardTag, range));
  }

  remove(id: string) {
    return this.#remover.remove(id);
  }

  removeAll(owner: Owner, select: (token: Token) => boolean) {
    return this.#remover.removeAll(this.shardTag(owner), owner, select);
  }

  /** Writes these tokens, and tells of it. */
  #write<T extends string>(ids: readonly string[], run: (client: ScriptedRedis) => Promise<T>) {
    const changes = ids.map((id) => ({ type: "changed", id }) as const);
    return announce(this.#feed, this.#writeUnlessPaused(run), changes, (answer) => WRITTEN.has(answer));
  }

  /** Runs one step of a removal, and tells of it. */
  #remove(removal: Removal) {
    const removing = this.#writer.settle((client) => removeTokens(client, removal));
    const changes = removal.tokens.map(({ id }) => ({ type: "deleted", id }) as const);
    return announce(this.#feed, removing, changes, (count) => count !== undefined);
  }

  /** A write that waits, for a second at most, while a removal holds up its owner's writes. */
  async #writeUnlessPaused<T extends string>(
    run: (client: ScriptedRedis) => Promise<T>,
  ): Promise<Exclude<T, "paused">> {
    for (let waited = 0; waited <= PAUSE; waited += PAUSE_POLL) {
      const answer = await this.#writer.settle(run);
      if (answer !== "paused") return answer as Exclude<T, "paused">;
      await setTimeout(PAUSE_POLL);
    }
    throw contended();
  }

  subscribe(listener: (change: Change) => void) {
    return this.#feed.subscribe(listener);
  }

  async adoptKeys(fingerprints: readonly string[]) {
    return this.#writer.settle(async (client) => (await client.adoptKeys(FINGERPRINTS_KEY, ...fingerprints)) === 1);
  }

  inspect() {
    const { durability } = this.#means;
    const lead = this.clock() - systemClock();
    return this.#writer.use((client) => inspectRedis(client, { durability, lead, freeKey: FREE_KEY }));
  }

  async ping() {
    const { reader, writer } = this.#means;
    await Promise.all([reader, writer].map((connection) => connection.ping()));
  }

  async close() {
    this.#feed.close();
    const { reader, writer, subscriber } = this.#means;
    await Promise.all([reader, writer, subscriber].map((connection) => connection.close()));
  }
}
