import { setTimeout } from "node:timers/promises";
import type { Clock } from "../domain/clock.ts";
import type { Owner, Token } from "../domain/token.ts";
import { decodeRecord } from "./record.ts";
import { announce } from "./redis-changes.ts";
import { openClusterNodes } from "./redis-cluster.ts";
import type { Durability } from "./redis-durable.ts";
import { aliasKey, claimKey, FINGERPRINTS_KEY, recordKey } from "./redis-keys.ts";
import { parseRedisUrl, type RedisTls } from "./redis-location.ts";
import type { RedisNodes, RedisReads } from "./redis-nodes.ts";
import { RedisOutages } from "./redis-outages.ts";
import { readPage } from "./redis-pages.ts";
import { type Removal, removeTokens } from "./redis-removal.ts";
import { PAUSE, RedisRemover } from "./redis-remover.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";
import { openServerNodes } from "./redis-server-nodes.ts";
import { Turns } from "./redis-turns.ts";
import { noteUses } from "./redis-uses.ts";
import { insertToken, replaceToken, timeText } from "./redis-writes.ts";
import { aliasTaken, contended, idTaken } from "./rules.ts";
import { shardTagger } from "./shard.ts";
import type { StoreListener } from "./store-events.ts";
import type { Change, Claim, InsertOptions, Mark, PageRange, TokenStore } from "./token-store.ts";

/** How often, in milliseconds, a write tries again that a removal holds up. */
const PAUSE_POLL = 20;
/** How many lists of whole tenants are made at once: with more, each would take longer than a call may. */
const MOST_WALKS = 32;
/** The answers of writes that were made, now or before. */
const WRITTEN: ReadonlySet<string> = new Set(["inserted", "replaced", "repeated"]);

export type { RedisTls };

export interface RedisStoreOptions {
  /** Of a server, of sentinels or of a cluster; see `parseRedisUrl`. */
  readonly url: string;
  readonly tls?: RedisTls | undefined;
  /** What `settled` acknowledges, and each write. Default: what the master has. */
  readonly durability?: Durability | undefined;
  readonly listener?: StoreListener | undefined;
}

/**
 * Opens the store on Redis 7.0 or newer: one server, a master that sentinels know, or a cluster.
 *
 * @throws INVALID_REQUEST for a URL of another form, STORE_UNAVAILABLE if Redis does not serve us.
 */
export async function openRedisStore({ url, tls, durability, listener }: RedisStoreOptions): Promise<TokenStore> {
  const { type, location } = parseRedisUrl(url, tls);
  const options = {
    durability: durability && durability.replicas > 0 ? durability : undefined,
    outages: new RedisOutages(listener),
  };
  const opening = type === "cluster" ? openClusterNodes(location, options) : openServerNodes(location, options);
  return new RedisStore(await opening);
}

class RedisStore implements TokenStore {
  readonly shardTag: (owner: Owner) => string;
  readonly clock: Clock;
  readonly settled: TokenStore;
  readonly #nodes: RedisNodes;
  readonly #reads: RedisReads;
  readonly #remover: RedisRemover;
  readonly #walks = new Turns(MOST_WALKS);

  constructor(nodes: RedisNodes, reads: RedisReads = nodes.reads) {
    this.#nodes = nodes;
    this.#reads = reads;
    this.settled = nodes.settled === reads ? this : new RedisStore(nodes, nodes.settled);
    this.#remover = new RedisRemover(nodes, reads, (removal) => this.#remove(removal));
    this.clock = nodes.clock;
    this.shardTag = shardTagger(nodes.shardKey);
  }

  async insert(token: Token, options: InsertOptions = {}) {
    const ids = [...(options.parent ? [options.parent.next.id] : []), token.id];
    const answer = await this.#write(ids, (client) => insertToken(client, token, options));
    if (answer === "id-taken") throw idTaken();
    return answer;
  }

  /** A damaged record is the trouble of who asked for it, and of nobody else. */
  async find(id: string) {
    const bytes = await this.#reads.get(recordKey(id));
    return bytes ? decodeRecord(id, bytes) : undefined;
  }

  async findMany(ids: readonly string[]) {
    const records = await this.#reads.getMany(ids.map(recordKey));
    return ids.map((id, index) => {
      const bytes = records[index];
      return bytes ? decodeRecord(id, bytes) : undefined;
    });
  }

  replace(previous: Token, next: Token, mark?: Mark) {
    return this.#write([next.id], (client) => replaceToken(client, previous, next, mark));
  }

  noteUses(uses: ReadonlyMap<string, number>, precision: number) {
    return noteUses(this.#nodes, uses, precision);
  }

  async claim({ tag, name, value, until }: Claim) {
    const key = claimKey(tag, name);
    const known = await this.#nodes.write(key, (client) =>
      client.set(key, value, "PXAT", timeText(until), "NX", "GET"),
    );
    return known ?? value;
  }

  async findClaim(tag: string, name: string) {
    return (await this.#reads.get(claimKey(tag, name)))?.toString();
  }

  async addAlias(alias: string, id: string, purgeTime: number | undefined) {
    const key = aliasKey(alias);
    await this.#nodes.write(key, async (client) => {
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
    return Promise.all(aliases.map(async (alias) => (await this.#reads.get(aliasKey(alias)))?.toString()));
  }

  page(range: PageRange) {
    return readPage(this.#reads, this.#walks, this.shardTag, range);
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
    return announce(this.#nodes.feed, this.#writeUnlessPaused(ids, run), changes, (answer) => WRITTEN.has(answer));
  }

  /** Runs one step of a removal, and tells of it. */
  #remove(removal: Removal) {
    const changes = removal.tokens.map(({ id }) => ({ type: "deleted", id }) as const);
    const removing = this.#nodes.write(recordKey(changes[0]?.id ?? ""), (client) => removeTokens(client, removal));
    return announce(this.#nodes.feed, removing, changes, (count) => count !== undefined);
  }

  /** A write that waits, for a second at most, while a removal holds up its owner's writes. */
  async #writeUnlessPaused<T extends string>(
    ids: readonly string[],
    run: (client: ScriptedRedis) => Promise<T>,
  ): Promise<Exclude<T, "paused">> {
    for (let waited = 0; waited <= PAUSE; waited += PAUSE_POLL) {
      const answer = await this.#nodes.write(recordKey(ids[0] ?? ""), run);
      if (answer !== "paused") return answer as Exclude<T, "paused">;
      await setTimeout(PAUSE_POLL);
    }
    throw contended();
  }

  subscribe(listener: (change: Change) => void) {
    return this.#nodes.feed.subscribe(listener);
  }

  async adoptKeys(fingerprints: readonly string[]) {
    const known = await this.#nodes.reads.read(FINGERPRINTS_KEY, (client) => {
      return Promise.all(fingerprints.map((fingerprint) => client.sismember(FINGERPRINTS_KEY, fingerprint)));
    });
    // Nothing to wait for: an instance must be able to start while a replica is away.
    if (known.every((count) => count === 1)) return true;
    const adopt = (client: ScriptedRedis) => client.adoptKeys(FINGERPRINTS_KEY, ...fingerprints);
    return (await this.#nodes.write(FINGERPRINTS_KEY, adopt)) === 1;
  }

  inspect() {
    return this.#nodes.inspect();
  }

  ping() {
    return this.#nodes.ping();
  }

  close() {
    return this.#nodes.close();
  }
}
