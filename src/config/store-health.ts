import type { Logger } from "pino";
import type { StoreListener } from "../store/store-events.ts";
import type { TokenStore } from "../store/token-store.ts";
import { ConfigError } from "./config-error.ts";

/**
 * Tells the operator what is weak about the store: what tokens may be lost by, or live again.
 *
 * @throws ConfigError with all faults if `strict`. What can't be found out, or passes by itself, is only warned of.
 */
export async function requireSoundStore(
  store: Pick<TokenStore, "inspect">,
  strict: boolean,
  log: Logger,
): Promise<void> {
  const weaknesses = await store.inspect();
  for (const { description, isFault } of weaknesses) {
    if (!strict || !isFault) log.warn({ weakness: description }, "the store is not as safe as it could be");
  }
  const faults = weaknesses.filter(({ isFault }) => isFault).map(({ description }) => description);
  if (strict && faults.length > 0) throw new ConfigError("the store (LATCHKEY_STORE), with LATCHKEY_STRICT=1", faults);
}

/** Writes lines for what happens to the store: one when it begins and one when it ends, however many calls it concerns. */
export function reportStore(log: Logger): StoreListener {
  return (event) => {
    switch (event.type) {
      case "lost":
        return log.error(
          { cause: event.cause },
          "the store, or a part of it, is lost: calls that need it are answered UNAVAILABLE until it is back",
        );
      case "back":
        return log.info({ ms: event.milliseconds }, "the store is back");
      case "unconfirmed":
        return log.error(
          { cause: event.cause },
          "too few replicas confirm: no change is acknowledged until they do; look at INFO replication of the master",
        );
      case "confirmed":
        return log.info({ ms: event.milliseconds }, "the replicas confirm again");
    }
  };
}
