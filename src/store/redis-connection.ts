import { Redis } from "ioredis";
import { TokenError } from "../errors.ts";
import { RedisClock } from "./redis-clock.ts";
import { awaitReplicas, type Durability, DurableGroups, SOCKET_TIMEOUT } from "./redis-durable.ts";
import { META_KEY, TICK_KEY } from "./redis-keys.ts";
import type { RedisLocation } from "./redis-location.ts";
import { RedisOutages } from "./redis-outages.ts";
import { defineScripts, type ScriptedRedis } from "./redis-scripts.ts";

/** How long a command waits for a lost connection to come back, in milliseconds from the loss. */
const GRACE = 400;
/** A read that fails within this many milliseconds is tried once more. */
const QUICK = 200;
/** How long the first connection may take, in milliseconds. */
const OPEN_TIMEOUT = 1500;
/** How often a connection is checked, in milliseconds. */
const CHECK_INTERVAL = 1000;
/** When a caller may try again, in milliseconds. */
const RETRY_DELAY = 500;
/** How many callers may wait for a connection at once: more than a healthy one ever has, and few enough to remember. */
const MOST_WAITING = 10_000;
/** Answers of a server that must not be used: a replica (which may be behind), one that still loads, or not for us. */
const NOT_SERVING = /^(READONLY|LOADING|MASTERDOWN|NOAUTH|NOPERM)/;

// Together with GRACE they bound every command to about 1.5 s. Nothing is ever sent a second time by ioredis: a write that
// came late could undo a removal which was acknowledged meanwhile.
const LIMITS = {
  connectTimeout: 1000,
  socketTimeout: SOCKET_TIMEOUT,
  commandTimeout: 1000,
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  autoResubscribe: false,
  lazyConnect: true,
  retryStrategy: (attempts: number) => Math.min(50 * attempts, 250),
};

export interface ConnectionOptions {
  readonly location: RedisLocation;
  /** Gathers what is sent in one turn of the event loop: faster for many callers at once. */
  readonly pipelining: boolean;
  /** The shard key of the data, or one for data that has none yet. */
  readonly shardKey: string;
  /** Runs whenever a connection was made, before it is used. */
  readonly prepare?: (client: ScriptedRedis) => Promise<unknown>;
  /** When `settle` answers. Default: as soon as the server does. */
  readonly durability?: Durability | undefined;
  /** A key that this server may write without a meaning. */
  readonly tickKey?: () => string;
  /** Told what becomes of the connection. */
  readonly outages?: RedisOutages;
}

/** Runs reads, each as one piece of work. `callers` says how many wait for it. */
export interface Reader {
  read<T>(run: (client: ScriptedRedis) => Promise<T>, callers?: number): Promise<T>;
}

/**
 * One connection to Redis, which is used only while there is a writable master with the right data behind it. It is checked
 * every second, and renewed by itself when it is lost.
 */
export class RedisConnection implements Reader {
  readonly client: ScriptedRedis;
  /** The server's, once it serves. */
  readonly clock = new RedisClock();
  readonly #options: ConnectionOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #outages: RedisOutages;
  /** Undefined: the server's own word is enough. */
  readonly #groups: DurableGroups | undefined;
  #waiting = 0;
  #isClosing = false;
  #serves = false;
  #serving = Promise.withResolvers<void>();
  #lostAt = performance.now();
  #lastError: unknown = new Error("not connected");
  #shardKey: string;
  #hasClaimed = false;
  #hasServed = false;

  constructor(options: ConnectionOptions) {
    const { location, pipelining, shardKey } = options;
    this.#options = options;
    this.#shardKey = shardKey;
    this.#outages = options.outages ?? new RedisOutages();
    const { durability } = options;
    if (durability && durability.replicas > 0) this.#groups = new DurableGroups(() => this.#beginGroup(durability));
    this.client = defineScripts(new Redis({ ...location, ...LIMITS, enableAutoPipelining: pipelining }));
    this.client.on("error", (error) => {
      this.#lastError = error;
      if (this.#hasServed && !this.#serves) this.#reportLoss();
    });
    this.client.on("close", () => this.#lose());
    this.client.on("ready", () => void this.#admit());
    this.#timer = setInterval(() => void this.#check(), CHECK_INTERVAL).unref();
  }

  /** The shard key of the data. */
  get shardKey(): string {
    return this.#shardKey;
  }

  /** Connects for the first time: resolves once it serves, rejects with STORE_UNAVAILABLE as soon as that failed. */
  async open(): Promise<void> {
    const failed = new Promise<never>((_, reject) => this.client.once("error", reject));
    failed.catch(() => {});
    this.client.connect().catch(() => {});
    try {
      await Promise.race([failed, this.#served(OPEN_TIMEOUT)]);
    } catch (error) {
      await this.close();
      throw this.#unavailable(error);
    }
  }

  /**
   * Runs commands once the connection serves. Whatever they throw leaves as a TokenError. Where too many wait already, it is
   * STORE_UNAVAILABLE at once: a queue that grows would serve none of them in time.
   */
  use<T>(run: (client: ScriptedRedis) => Promise<T>, callers = 1): Promise<T> {
    return this.#admitCallers(callers, async () => {
      await this.#untilServing();
      return run(this.client);
    });
  }

  /**
   * Like `use`, but answers only what lasts, as far as the options' durability says: replicas have all that was written and found.
   * Where they do not have it in time, it is STORE_UNAVAILABLE, and what `run` did may stand or not.
   */
  settle<T>(run: (client: ScriptedRedis) => Promise<T>, callers = 1): Promise<T> {
    const groups = this.#groups;
    if (!groups) return this.use(run, callers);
    return this.#admitCallers(callers, () => groups.join(() => run(this.client)));
  }

  /** Like `use`, for reads: they are tried once more where the connection broke. */
  async read<T>(run: (client: ScriptedRedis) => Promise<T>, callers = 1): Promise<T> {
    const start = performance.now();
    const connection = this.#serving;
    try {
      return await this.use(run, callers);
    } catch (error) {
      if (isAnswer(error) || performance.now() - start > QUICK) throw error;
      // The other side may have ended the connection a moment before ioredis notices.
      if (this.#serves && this.#serving === connection) this.#renew();
      return this.use(run, callers);
    }
  }

  /** Resolves if the connection serves now. */
  ping(): Promise<void> {
    return this.use(() => this.#claim());
  }

  /** Ends the connection after the answers to what was sent. */
  async close(): Promise<void> {
    this.#isClosing = true;
    clearInterval(this.#timer);
    if (this.#serves) await this.client.quit().catch(() => {});
    this.client.disconnect();
  }

  async #admitCallers<T>(callers: number, work: () => Promise<T>): Promise<T> {
    if (this.#waiting > 0 && this.#waiting + callers > MOST_WAITING) {
      throw this.#unavailable(new Error(`${this.#waiting} calls wait for an answer already`));
    }
    this.#waiting += callers;
    try {
      return await work();
    } catch (error) {
      throw this.#unavailable(error);
    } finally {
      this.#waiting -= callers;
    }
  }

  async #untilServing(): Promise<void> {
    if (!this.#serves) await this.#served(this.#lostAt + GRACE - performance.now());
  }

  /** What another connection has to say of the replicas, of another master perhaps, says nothing of what was done on this one. */
  async #beginGroup(durability: Durability): Promise<() => Promise<void>> {
    await this.#untilServing();
    const connection = this.#serving;
    return async () => {
      if (this.#serving !== connection) throw this.#lastError;
      const key = this.#options.tickKey?.() ?? TICK_KEY;
      await awaitReplicas(this.client, durability, key, (cause) => this.#outages.confirm(this, cause));
    };
  }

  /** Waits until the connection serves; 0 or less: not at all. */
  async #served(timeout: number): Promise<void> {
    if (timeout <= 0) throw this.#lastError;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#lastError), timeout);
    });
    await Promise.race([this.#serving.promise, late]).finally(() => clearTimeout(timer));
  }

  async #admit(): Promise<void> {
    try {
      await this.#claim();
      await this.#options.prepare?.(this.client);
      this.#serves = true;
      this.#hasServed = true;
      this.#lastError = new Error("the connection was closed");
      this.#serving.resolve();
      this.#outages.regain(this);
    } catch (error) {
      this.client.emit("error", error);
      this.client.disconnect(true);
    }
  }

  async #check(): Promise<void> {
    if (!this.#serves) return;
    try {
      await this.#claim();
    } catch (error) {
      this.#lastError = error;
      this.#renew();
    }
  }

  /** Makes sure that the server takes writes, and that its data is that of the shard key: else all ids would be wrong. */
  async #claim(): Promise<void> {
    try {
      let found = "";
      await this.clock.learn(async () => {
        const [shardKey, now] = await this.client.claimData(META_KEY, this.#shardKey);
        found = shardKey;
        return now;
      });
      if (this.#hasClaimed && found !== this.#shardKey) throw new Error("the data was replaced: restart Latchkey");
      this.#shardKey = found;
      this.#hasClaimed = true;
    } catch (error) {
      // A server that only can't save, for example, can still be read.
      if (!this.#hasClaimed || !isAnswer(error) || NOT_SERVING.test((error as Error).message)) throw error;
    }
  }

  #lose(): void {
    if (!this.#serves) return;
    this.#serves = false;
    this.#serving = Promise.withResolvers();
    this.#lostAt = performance.now();
    this.#reportLoss();
  }

  #reportLoss(): void {
    if (!this.#isClosing) this.#outages.lose(this, this.#describe(this.#lastError));
  }

  #renew(): void {
    this.#lose();
    this.client.disconnect(true);
  }

  #unavailable(error: unknown): TokenError {
    if (error instanceof TokenError) return error;
    const cause = this.#describe(error);
    return new TokenError("STORE_UNAVAILABLE", "the Redis store failed", { cause, retryDelay: RETRY_DELAY });
  }

  #describe(error: unknown): Error {
    const { host, port } = this.#options.location;
    return redact(error, `Redis at ${host}:${port}`);
  }
}

/** Whether an error is what Redis answered, and not a failure to reach it. */
function isAnswer(error: unknown): boolean {
  const source = error instanceof TokenError ? error.cause : error;
  return source instanceof Error && source.name === "ReplyError";
}

/** The error without what ioredis adds: the command's arguments, a password or a record among them. */
function redact(error: unknown, place: string): Error {
  if (!(error instanceof Error)) return new Error(`${place}: unknown failure`);
  const code = "code" in error ? String(error.code) : error.name;
  const redacted = new Error(`${place}: ${error.message.split(", with args")[0] || code}`);
  redacted.name = error.name;
  return redacted;
}
