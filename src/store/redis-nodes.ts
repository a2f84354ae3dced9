import type { Clock } from "../domain/clock.ts";
import type { ChangeFeed } from "./change-feed.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";

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

  /** The text under a key. All that is asked for in one turn of the event loop is one way to each server. */
  get(key: string): Promise<Buffer | null>;

  /** Runs commands that only read, once more from the beginning where something came in between. */
  read<T>(key: string, run: (client: ScriptedRedis) => Promise<T>): Promise<T>;

  /**
   * Runs commands that write. A step whose outcome is not known is never run again; but one that a server refused since the slot is
   * another's is, from its beginning, so what comes before its last write has to be such that it may be done twice.
   */
  write<T>(key: string, run: (client: ScriptedRedis) => Promise<T>): Promise<T>;

  /** Resolves if what is written to most of the data would be carried out now. */
  ping(): Promise<void>;

  /** Ends all connections after the answers to what was sent. */
  close(): Promise<void>;
}
