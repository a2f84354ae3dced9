import type { Clock } from "../domain/clock.ts";
import type { ChangeFeed } from "./change-feed.ts";
import type { Durability } from "./redis-durable.ts";
import type { RedisOutages } from "./redis-outages.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";
import type { Weakness } from "./token-store.ts";

/** How a store uses the servers behind it. */
export interface NodesOptions {
  /** When `write` answers, and what `settled` finds. Undefined: what the master has. */
  readonly durability: Durability | undefined;
  /** Told what becomes of them. */
  readonly outages: RedisOutages;
}

/** Reads of masters. */
export interface RedisReads {
  /** The text under a key. All that is asked for in one turn of the event loop is one way to each server. */
  get(key: string): Promise<Buffer | null>;

  /** The texts under keys of any slots, in their order. */
  getMany(keys: readonly string[]): Promise<readonly (Buffer | null)[]>;

  /**
   * Runs commands that only read, and touch keys of one slot only, once more from the beginning where something came in between.
   */
  read<T>(key: string, run: (client: ScriptedRedis) => Promise<T>): Promise<T>;
}

/**
 * The servers behind a Redis store: one, the master that sentinels know, or the masters of a cluster. Each step goes to the one that
 * has its key, and touches keys of that slot only. All that fails is a TokenError.
 */
export interface RedisNodes {
  /** By which all instances name shards. */
  readonly shardKey: Buffer;
  /** The time of the server that has META_KEY. */
  readonly clock: Clock;
  /** The changes of all instances, and `reset` where some may have been missed. */
  readonly feed: ChangeFeed;
  readonly reads: RedisReads;
  /** Reads that answer only what lasts, as far as the durability says. Where the master's word is enough: `reads`. */
  readonly settled: RedisReads;

  /**
   * Runs commands that write, and answers only what lasts, as far as the durability says. A step whose outcome is not known is never run
   * again; but one that a server refused since the slot is another's is, from its beginning, so what comes before its last write has to be
   * such that it may be done twice.
   */
  write<T>(key: string, run: (client: ScriptedRedis) => Promise<T>): Promise<T>;

  /** Like `write`, for what nobody is told of as done: it waits for no replica. */
  note<T>(key: string, run: (client: ScriptedRedis) => Promise<T>): Promise<T>;

  /** Divides items so that one step may touch the keys of each group. */
  group<T>(items: Iterable<T>, keyOf: (item: T) => string): Iterable<T[]>;

  /** What of the masters' state and settings breaks what Latchkey promises. */
  inspect(): Promise<Weakness[]>;

  /** Resolves if the master that has META_KEY serves us, be it that it can only be read now. */
  ping(): Promise<void>;

  /** Ends all connections after the answers to what was sent. */
  close(): Promise<void>;
}
