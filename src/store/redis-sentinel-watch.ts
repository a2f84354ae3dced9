import { Redis } from "ioredis";
import type { SentinelLocation } from "./redis-location.ts";

const SWITCH = "+switch-master";
/** How long a sentinel may take to answer, and how long after a failure it is tried again, in milliseconds. */
const TIMEOUT = 1000;
const RETRY = 1000;
/** How often each is asked, in milliseconds: what it told while it could not be reached is lost, and nothing else shows that it can't. */
const INTERVAL = 1000;
/** For how long one counts as heard after it answered, in milliseconds. */
const HEARD = INTERVAL + TIMEOUT + 500;

/** What a sentinel says. Of several, the one of the greatest epoch has the latest news. */
interface Word {
  /** As host:port. */
  readonly master: string;
  readonly epoch: number;
  readonly at: number;
}

/**
 * Listens to all sentinels, so that a new master is heard of though the old one still answers. (ioredis has the like, but with
 * connections for each of ours, does not ask what it missed while a sentinel was away, and prints each failure to reach one.)
 */
export class SentinelWatch {
  readonly #sentinels: readonly Redis[];
  readonly #name: string;
  readonly #onSwitch: (master: string) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #openedAt = performance.now();
  readonly #words = new Map<Redis, Word>();
  #master: string | undefined;

  /** @param onSwitch is called with host:port when another is master. */
  constructor(location: SentinelLocation, onSwitch: (master: string) => void) {
    const { sentinels, name, sentinelUsername: username, sentinelPassword: password, sentinelTLS: tls } = location;
    this.#name = name;
    this.#onSwitch = onSwitch;
    this.#sentinels = sentinels.map((address) => {
      const sentinel = new Redis({
        ...address,
        ...(username && { username }),
        ...(password && { password }),
        ...(tls && { tls }),
        connectTimeout: TIMEOUT,
        commandTimeout: TIMEOUT,
        disconnectTimeout: TIMEOUT,
        maxRetriesPerRequest: 0,
        enableReadyCheck: false,
        enableOfflineQueue: false,
        autoResubscribe: false,
        retryStrategy: () => RETRY,
      });
      sentinel.on("error", () => {});
      sentinel.on("ready", () => void this.#listen(sentinel));
      sentinel.on("message", () => void this.#ask(sentinel));
      return sentinel;
    });
    this.#timer = setInterval(() => {
      for (const sentinel of this.#sentinels) if (sentinel.status === "ready") void this.#ask(sentinel);
    }, INTERVAL).unref();
  }

  /** Whether most sentinels have not been heard of late, so that they may have made another the master unheard. */
  get isCutOff(): boolean {
    const since = performance.now() - HEARD;
    if (this.#openedAt > since) return false;
    const heard = [...this.#words.values()].filter(({ at }) => at > since).length;
    return heard * 2 <= this.#sentinels.length;
  }

  close(): void {
    clearInterval(this.#timer);
    for (const sentinel of this.#sentinels) sentinel.disconnect();
  }

  /** What happened before is asked for: it is told once only. */
  async #listen(sentinel: Redis): Promise<void> {
    sentinel.subscribe(SWITCH).catch(() => sentinel.disconnect(true));
    await this.#ask(sentinel);
  }

  async #ask(sentinel: Redis): Promise<void> {
    try {
      const [fields, [host, port]] = (await Promise.all([
        sentinel.call("SENTINEL", "MASTER", this.#name),
        sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", this.#name),
      ])) as [string[], string[]];
      const epoch = Number(fields[fields.indexOf("config-epoch") + 1]);
      this.#learn(sentinel, { master: `${host}:${port}`, epoch, at: performance.now() });
    } catch {
      // It may be reconnecting already, and would give that up.
      if (sentinel.status === "ready") sentinel.disconnect(true);
    }
  }

  /** One that is cut off from the others goes on to name the master before. */
  #learn(sentinel: Redis, word: Word): void {
    this.#words.set(sentinel, word);
    let latest = word;
    for (const other of this.#words.values()) if (other.epoch > latest.epoch) latest = other;
    const isFirst = this.#master === undefined;
    if (this.#master === latest.master) return;
    this.#master = latest.master;
    if (!isFirst) this.#onSwitch(latest.master);
  }
}
