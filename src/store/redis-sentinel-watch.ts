import { Redis } from "ioredis";
import type { SentinelLocation } from "./redis-location.ts";

const SWITCH = "+switch-master";
/** How long a sentinel may take to answer, and how long after a failure it is tried again, in milliseconds. */
const TIMEOUT = 1000;
const RETRY = 1000;

/**
 * Listens to all sentinels, so that a new master is heard of though the old one still answers. (ioredis has the like, but with
 * connections for each of ours, does not ask what it missed while a sentinel was away, and prints each failure to reach one.)
 */
export class SentinelWatch {
  readonly #sentinels: readonly Redis[];
  readonly #name: string;
  readonly #onSwitch: (master: string) => void;
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
      sentinel.on("ready", () => void this.#listen(sentinel).catch(() => sentinel.disconnect(true)));
      sentinel.on("message", (_channel, message) => this.#hear(message));
      return sentinel;
    });
  }

  close(): void {
    for (const sentinel of this.#sentinels) sentinel.disconnect();
  }

  /** What happened before is asked for: it is told once only. */
  async #listen(sentinel: Redis): Promise<void> {
    await sentinel.subscribe(SWITCH);
    const [host, port] = (await sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", this.#name)) as string[];
    this.#learn(`${host}:${port}`);
  }

  #hear(message: string): void {
    const [name, , , host, port] = message.split(" ");
    if (name === this.#name) this.#learn(`${host}:${port}`);
  }

  #learn(master: string): void {
    const isFirst = this.#master === undefined;
    if (this.#master === master) return;
    this.#master = master;
    if (!isFirst) this.#onSwitch(master);
  }
}
