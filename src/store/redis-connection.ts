import { Redis, type RedisOptions } from "ioredis";
import { TokenError } from "../errors.ts";
import { RedisClock } from "./redis-clock.ts";
import type { Address, RedisLocation, SentinelLocation } from "./redis-location.ts";
import { defineScripts, type ScriptedRedis } from "./redis-scripts.ts";

/** How long a command waits for a lost connection to come back, in milliseconds from the loss. */
export const GRACE = 400;
/** A read that fails within this many milliseconds is tried once more. */
const QUICK = 200;
/** How long the first connection may take, in milliseconds. */
export const OPEN_TIMEOUT = 1500;
/** The same through sentinels, of which some may be lost. */
const SENTINEL_OPEN_TIMEOUT = 4000;
/** How often a connection is checked, in milliseconds. */
export const CHECK_INTERVAL = 1000;
/** When a caller may try again, in milliseconds. */
const RETRY_DELAY = 500;
/** Answers of a server that must not be used: a replica (which may be behind), one that still loads, or not for us. */
const NOT_SERVING = /^(READONLY|LOADING|MASTERDOWN|NOAUTH|NOPERM)/;

// Together with GRACE they bound every command to about 1.5 s. Nothing is ever sent a second time by ioredis: a write that
// came late could undo a removal which was acknowledged meanwhile.
const LIMITS = {
  connectTimeout: 1000,
  disconnectTimeout: 200,
  socketTimeout: 800,
  commandTimeout: 1000,
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  // It asks for INFO, which our own check does without.
  enableReadyCheck: false,
  autoResubscribe: false,
  lazyConnect: true,
  retryStrategy: (attempts: number) => Math.min(50 * attempts, 250),
};

// Sentinels are asked for the master at each connection, one after the other.
const SENTINEL_LIMITS = {
  enableReadyCheck: true,
  role: "master",
  sentinelCommandTimeout: 500,
  sentinelRetryStrategy: (attempts: number) => Math.min(50 * attempts, 250),
} as const;

export interface ConnectionOptions {
  /** Of the server, or of the sentinels that know it. */
  readonly location: RedisLocation | SentinelLocation;
  /** Gathers what is sent in one turn of the event loop: faster for many callers at once. */
  readonly pipelining: boolean;
  /**
   * Makes sure that the server may be used: that it takes writes, and has the right data behind it. Answers the server's time in
   * milliseconds since 1970.
   */
  readonly claim: (client: ScriptedRedis) => Promise<number>;
  /** Tells another server of the same kind for the next connection, after one was lost. */
  readonly next?: () => Address;
  /** Runs whenever a connection was made, before it is used. */
  readonly prepare?: (client: ScriptedRedis) => Promise<unknown>;
}

/**
 * One connection to Redis, which is used only while there is a writable master with the right data behind it. It is checked
 * every second, and renewed by itself when it is lost.
 */
export class RedisConnection {
  readonly client: ScriptedRedis;
  /** The server's, once it serves. */
  readonly clock = new RedisClock();
  readonly #options: ConnectionOptions;
  readonly #timer: NodeJS.Timeout;
  #serves = false;
  #serving = Promise.withResolvers<void>();
  #lostAt = performance.now();
  #lastError: unknown = new Error("not connected");
  #hasClaimed = false;
  /** Whether the connection that is being made may lead to where we should not be any more. */
  #isOutdated = false;

  constructor(options: ConnectionOptions) {
    const { location, pipelining, next } = options;
    this.#options = options;
    const limits = { ...LIMITS, ...("sentinels" in location && SENTINEL_LIMITS) };
    this.client = defineScripts(new Redis({ ...location, ...limits, enableAutoPipelining: pipelining }));
    this.client.on("error", (error) => {
      this.#lastError = error;
    });
    this.client.on("close", () => {
      this.#lose();
      this.#isOutdated = false;
      // ioredis reads them when it connects.
      if (next) Object.assign(this.client.options, next());
    });
    this.client.on("ready", () => void this.#admit());
    this.#timer = setInterval(() => void this.#check(), CHECK_INTERVAL).unref();
  }

  /** Whether it may be used now. */
  get serves(): boolean {
    return this.#serves;
  }

  /** Begins to connect, and goes on until it serves. */
  connect(): void {
    this.client.connect().catch(() => {});
  }

  /** Connects for the first time: resolves once it serves, rejects with STORE_UNAVAILABLE as soon as that failed. */
  async open(): Promise<void> {
    const failed = new Promise<never>((_, reject) => this.client.once("error", reject));
    failed.catch(() => {});
    this.connect();
    try {
      const timeout = "sentinels" in this.#options.location ? SENTINEL_OPEN_TIMEOUT : OPEN_TIMEOUT;
      await Promise.race([failed, this.served(timeout)]);
    } catch (error) {
      await this.close();
      throw this.#unavailable(error);
    }
  }

  /** Runs commands once the connection serves. Whatever they throw leaves as a TokenError. */
  async use<T>(run: (client: ScriptedRedis) => Promise<T>): Promise<T> {
    try {
      if (!this.#serves) await this.served(this.#lostAt + GRACE - performance.now());
      return await run(this.client);
    } catch (error) {
      throw this.#unavailable(error);
    }
  }

  /** Like `use`, for reads: they are tried once more where the connection broke. */
  async read<T>(run: (client: ScriptedRedis) => Promise<T>): Promise<T> {
    const start = performance.now();
    const connection = this.#serving;
    try {
      return await this.use(run);
    } catch (error) {
      if (isAnswer(error) || performance.now() - start > QUICK) throw error;
      // The other side may have ended the connection a moment before ioredis notices.
      if (this.#serves && this.#serving === connection) this.renew();
      return this.use(run);
    }
  }

  /** Connects anew. What was sent and is not answered yet fails. */
  renew(): void {
    // ioredis gives up for good if it is disconnected while it connects.
    if (!this.#serves) {
      this.#isOutdated = true;
      return;
    }
    this.#lose();
    this.client.disconnect(true);
  }

  /** Resolves if the connection serves now. */
  ping(): Promise<void> {
    return this.use(() => this.#claim());
  }

  /** Ends the connection after the answers to what was sent. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#serves) await this.client.quit().catch(() => {});
    this.client.disconnect();
  }

  /** Waits until the connection serves, for so many milliseconds; 0 or less: not at all. */
  async served(timeout: number): Promise<void> {
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
      if (this.#isOutdated) throw new Error("another server is the master now");
      this.#serves = true;
      this.#serving.resolve();
    } catch (error) {
      this.#isOutdated = false;
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
      this.renew();
    }
  }

  async #claim(): Promise<void> {
    try {
      await this.clock.learn(() => this.#options.claim(this.client));
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
  }

  #unavailable(error: unknown): TokenError {
    if (error instanceof TokenError) return error;
    return unavailable(redact(error, placeOf(this.client.options)));
  }
}

/** The error for what Redis does not let us do. */
export function unavailable(cause: Error): TokenError {
  return new TokenError("STORE_UNAVAILABLE", "the Redis store failed", { cause, retryDelay: RETRY_DELAY });
}

function placeOf({ host, port, sentinels, name }: RedisOptions): string {
  if (!sentinels) return `Redis at ${host}:${port}`;
  return `Redis master ${name} of the sentinels at ${sentinels.map((sentinel) => `${sentinel.host}:${sentinel.port}`).join()}`;
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
