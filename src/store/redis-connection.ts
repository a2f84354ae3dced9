import { Redis } from "ioredis";
import { TokenError } from "../errors.ts";
import { RedisClock } from "./redis-clock.ts";
import { Crowd } from "./redis-crowd.ts";
import { awaitReplicas, type Durability, DurableGroups, SOCKET_TIMEOUT } from "./redis-durable.ts";
import { causeOf, describeError, isAnswer, unavailable } from "./redis-errors.ts";
import { TICK_KEY } from "./redis-keys.ts";
import type { Address, RedisLocation, SentinelLocation } from "./redis-location.ts";
import { RedisOutages } from "./redis-outages.ts";
import { defineScripts, type ScriptedRedis, tick } from "./redis-scripts.ts";

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
/** Answers of a server that must not be used: a replica (which may be behind), one that still loads, or not for us. */
const NOT_SERVING = /^(READONLY|LOADING|MASTERDOWN|NOAUTH|NOPERM)/;

const retryStrategy = (attempts: number) => Math.min(50 * attempts, 250);

// Together with GRACE they bound every command to about 1.5 s. Nothing is ever sent a second time by ioredis: a write that
// came late could undo a removal which was acknowledged meanwhile.
const LIMITS = {
  connectTimeout: 1000,
  disconnectTimeout: 200,
  socketTimeout: SOCKET_TIMEOUT,
  commandTimeout: 1000,
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  // It asks for INFO, which our own check does without.
  enableReadyCheck: false,
  autoResubscribe: false,
  lazyConnect: true,
  retryStrategy,
};

// Sentinels are asked for the master at each connection, one after the other.
const SENTINEL_LIMITS = {
  enableReadyCheck: true,
  role: "master",
  sentinelCommandTimeout: 500,
  sentinelRetryStrategy: retryStrategy,
} as const;

export interface ConnectionOptions {
  /** Of the server, or of the sentinels that know it. */
  readonly location: RedisLocation | SentinelLocation;
  /**
   * Makes sure that the server may be used: that it takes writes, and has the right data behind it. Answers the server's time in
   * milliseconds since 1970.
   */
  readonly claim: (client: ScriptedRedis) => Promise<number>;
  /** Tells another server of the same kind for the next connection, after one was lost. */
  readonly next?: () => Address;
  /** Runs whenever a connection was made, before it is used. */
  readonly prepare?: (client: ScriptedRedis) => Promise<unknown>;
  /** When `settle` answers. Default: as soon as the server does. Asks for one replica at least. */
  readonly durability?: Durability | undefined;
  /** A write that changes nothing, which `settle` has the replicas follow. */
  readonly tick?: (client: ScriptedRedis) => Promise<unknown>;
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
  readonly #crowd = new Crowd();
  #serves = false;
  #serving = Promise.withResolvers<void>();
  #lostAt = performance.now();
  #lastError: unknown = new Error("not connected");
  #hasClaimed = false;
  /** Whether the connection that is being made may lead to where we should not be any more. */
  #isOutdated = false;
  #isNeeded = false;

  constructor(options: ConnectionOptions) {
    const { location, next } = options;
    this.#options = options;
    this.#outages = options.outages ?? new RedisOutages();
    const { durability } = options;
    if (durability) this.#groups = new DurableGroups(() => this.#beginGroup(durability));
    const limits = { ...LIMITS, ...("sentinels" in location && SENTINEL_LIMITS) };
    this.client = defineScripts(new Redis({ ...location, ...limits }));
    this.client.on("error", (error) => {
      this.#lastError = error;
      if (!this.#serves) this.#reportLoss();
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

  /** Whether it is an outage when it does not serve. Not while `open` tries, which says so itself. */
  set isNeeded(isNeeded: boolean) {
    this.#isNeeded = isNeeded;
    if (!isNeeded) this.#outages.forget(this);
  }

  /** Begins to connect, and goes on until it serves. */
  connect(): void {
    this.#isNeeded = true;
    this.client.connect().catch(() => {});
  }

  /** Connects for the first time: resolves once it serves, rejects with STORE_UNAVAILABLE as soon as that failed. */
  async open(): Promise<void> {
    const failed = new Promise<never>((_, reject) => this.client.once("error", reject));
    failed.catch(() => {});
    this.client.connect().catch(() => {});
    try {
      const timeout = "sentinels" in this.#options.location ? SENTINEL_OPEN_TIMEOUT : OPEN_TIMEOUT;
      await Promise.race([failed, this.served(timeout)]);
      this.#isNeeded = true;
    } catch (error) {
      await this.close();
      throw this.#unavailable(error);
    }
  }

  /**
   * Runs commands once the connection serves. Whatever they throw leaves as a TokenError. Where too many wait already, it is
   * STORE_UNAVAILABLE at once.
   */
  use<T>(run: (client: ScriptedRedis) => Promise<T>, callers = 1): Promise<T> {
    return this.#admitCallers(callers, async () => {
      await this.#untilServing();
      return this.#gather(run);
    });
  }

  /**
   * Like `use`, but answers only what lasts, as far as the options' durability says: replicas have all that was written and found.
   * Where they do not have it in time, it is STORE_UNAVAILABLE, and what `run` did may stand or not.
   */
  settle<T>(run: (client: ScriptedRedis) => Promise<T>, callers = 1): Promise<T> {
    const groups = this.#groups;
    if (!groups) return this.use(run, callers);
    return this.#admitCallers(callers, () => groups.join(() => this.#gather(run)));
  }

  /** Like `use`, for reads: they are tried once more where the connection broke. */
  async read<T>(run: (client: ScriptedRedis) => Promise<T>, callers = 1): Promise<T> {
    const start = performance.now();
    const connection = this.#serving;
    let isRefused = false;
    const attempt = async (client: ScriptedRedis) => {
      try {
        return await run(client);
      } catch (error) {
        // What Redis answered, or what `run` makes of it, says nothing about the connection.
        isRefused = isAnswer(error) || error instanceof TokenError;
        throw error;
      }
    };
    try {
      return await this.use(attempt, callers);
    } catch (error) {
      if (isRefused || performance.now() - start > QUICK) throw error;
      // The other side may have ended the connection a moment before ioredis notices.
      if (this.#serves && this.#serving === connection) this.renew(error);
      return this.use(run, callers);
    }
  }

  /** Connects anew, for some reason. What was sent and is not answered yet fails. */
  renew(reason: unknown): void {
    // ioredis gives up for good if it is disconnected while it connects.
    if (!this.#serves) {
      this.#isOutdated = true;
      return;
    }
    this.#lastError = reason;
    this.#lose();
    this.client.disconnect(true);
  }

  /** Resolves if the connection serves now. */
  ping(): Promise<void> {
    return this.use(() => this.#claim());
  }

  /** Ends the connection after the answers to what was sent. */
  async close(): Promise<void> {
    this.isNeeded = false;
    clearInterval(this.#timer);
    if (this.#serves) await this.client.quit().catch(() => {});
    this.client.disconnect();
  }

  async #admitCallers<T>(callers: number, work: () => Promise<T>): Promise<T> {
    try {
      return await this.#crowd.admit(callers, work);
    } catch (error) {
      throw this.#unavailable(error);
    }
  }

  /**
   * All that is sent in one go is one way to the socket, which costs more than a command. (The pipelines that ioredis makes by itself
   * wait for each other, and leave all that they have served in the old generation, as `Bag` of the wire explains.)
   */
  #gather<T>(run: (client: ScriptedRedis) => Promise<T>): Promise<T> {
    const { stream } = this.client;
    if (stream.writableCorked === 0) {
      stream.cork();
      process.nextTick(() => stream.uncork());
    }
    return run(this.client);
  }

  async #untilServing(): Promise<void> {
    if (!this.#serves) await this.served(this.#lostAt + GRACE - performance.now());
  }

  /** What another connection has to say of the replicas, of another master perhaps, says nothing of what was done on this one. */
  async #beginGroup(durability: Durability): Promise<() => Promise<void>> {
    await this.#untilServing();
    const connection = this.#serving;
    return async () => {
      if (this.#serving !== connection) throw this.#lastError;
      const writeTick = this.#options.tick ?? ((client) => tick(client, TICK_KEY));
      await awaitReplicas(this.client, durability, writeTick, (cause) => this.#outages.confirm(this, cause));
    };
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
      this.#lastError = new Error("the connection was closed");
      this.#serving.resolve();
      this.#outages.regain(this);
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
      this.renew(error);
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
    this.#reportLoss();
  }

  #reportLoss(): void {
    if (this.#isNeeded) this.#outages.lose(this, this.#describe(this.#lastError));
  }

  #unavailable(error: unknown): TokenError {
    return error instanceof TokenError ? error : unavailable(this.#describe(error));
  }

  #describe(error: unknown): Error {
    // That of a TokenError is described already.
    return error instanceof TokenError ? causeOf(error) : describeError(error, this.client.options);
  }
}
