import { setImmediate } from "node:timers/promises";
import type { TokenStore } from "../store/token-store.ts";
import type { Clock } from "./clock.ts";
import { idleEndOf, type Token, used } from "./token.ts";

/** A token's last use is noted again only after this time, so that a busy token does not cost a write for every use. */
const PRECISION = 60_000;
const FLUSH_INTERVAL = 1_000;
/** How many tokens that must not go unused are written at once. */
const CHUNK = 16;

/** Notes when tokens are used, beside the calls that use them. */
export interface LastUse {
  /** Notes a use of the token at this time. */
  note(token: Token, time: number): void;
  /** Writes what is noted. */
  flush(): Promise<void>;
  /** Writes what is noted, and stops. */
  close(): Promise<void>;
}

/**
 * Collects uses and writes them once a second, all together. A use that can't be written is forgotten, and the next one noted again:
 * nothing is decided by it but for tokens that must not go unused, and a store that fails is seen by every other call.
 */
export function createLastUse(store: TokenStore, clock: Clock): LastUse {
  /** When each was used; of very many, no more is kept. */
  let noted = new Map<string, number>();
  /** Those that go on with each use, which changes more of them than its time. */
  let renewed = new Map<string, { token: Token; time: number }>();
  const timer = setInterval(flush, FLUSH_INTERVAL).unref();
  let flushed = Promise.resolve();

  /** One after the other, so that who waits for the last has waited for all. */
  function flush(): Promise<void> {
    flushed = flushed.then(write);
    return flushed;
  }

  async function write(): Promise<void> {
    const [times, renewals] = [noted, [...renewed.values()]];
    noted = new Map();
    renewed = new Map();
    for (let start = 0; start < renewals.length; start += CHUNK) {
      const chunk = renewals.slice(start, start + CHUNK).filter(({ token }) => !isIdledOut(token, clock()));
      await Promise.allSettled(chunk.map(({ token, time }) => store.replace(token, used(token, time))));
      // SQLite writes without giving way: calls must come in between.
      await setImmediate();
    }
    if (times.size > 0) await store.noteUses(times, PRECISION).catch(() => {});
  }

  return {
    note(token, time) {
      if (!isDue(token, time)) return;
      if (token.idleTimeout === undefined) noted.set(token.id, time);
      else renewed.set(token.id, { token, time });
    },
    flush,
    close() {
      clearInterval(timer);
      return flush();
    },
  };
}

/** Then it is too late to note a use: others may have the token's label or its place by now. */
function isIdledOut(token: Token, now: number): boolean {
  return now >= (idleEndOf(token) ?? Number.POSITIVE_INFINITY);
}

function isDue(token: Token, now: number): boolean {
  return token.lastUsedTime === undefined || now - token.lastUsedTime >= PRECISION;
}
