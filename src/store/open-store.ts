import type { Clock } from "../domain/clock.ts";
import { TokenError } from "../errors.ts";
import { openRedisStore, type RedisTls } from "./redis.ts";
import type { Durability } from "./redis-durable.ts";
import { openSqliteStore } from "./sqlite.ts";
import type { StoreListener } from "./store-events.ts";
import type { TokenStore } from "./token-store.ts";

export interface StoreOptions {
  /** By which a SQLite store drops dead records; Redis goes by its own. */
  readonly clock: Clock;
  /** For `rediss…://`: what the system's own certificate authorities don't cover. */
  readonly tls?: RedisTls | undefined;
  /** When Redis has what it acknowledges; SQLite has it on the disk. Default: the server has it. */
  readonly durability?: Durability | undefined;
  readonly listener?: StoreListener | undefined;
}

/**
 * Opens the store at `sqlite:<path>`, or at the Redis that `parseRedisUrl` reads.
 *
 * @throws INVALID_REQUEST for any other location, STORE_UNAVAILABLE if the store does not serve.
 */
export async function openStore(location: string, options: StoreOptions): Promise<TokenStore> {
  const scheme = location.slice(0, location.indexOf(":") + 1);
  if (scheme === "sqlite:") return openSqliteStore({ path: location.slice(scheme.length), clock: options.clock });
  if (/^rediss?(\+sentinel|\+cluster)?:$/.test(scheme)) return openRedisStore({ ...options, url: location });
  // The location may hold a password even where its scheme is wrong, so it is not repeated here.
  throw new TokenError(
    "INVALID_REQUEST",
    "a store's location is sqlite:<path>, redis[s]://<host>/<db>, redis[s]+sentinel://<hosts>/<master>/<db> or redis[s]+cluster://<hosts>",
  );
}
