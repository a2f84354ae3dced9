import type { RedisOptions } from "ioredis";
import { TokenError } from "../errors.ts";

/** PEM texts for a `rediss://` connection: whom to trust, and a client's certificate with its key. */
export interface RedisTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** Where a Redis server is and how to sign in there, as ioredis wants it. */
export type RedisLocation = Pick<RedisOptions, "host" | "port" | "username" | "password" | "db" | "tls">;

/**
 * Reads `redis[s]://[user[:password]@]host[:port][/database]`. User and password are percent-encoded.
 *
 * @throws INVALID_REQUEST if it is anything else. The message does not repeat it, because it may hold a password.
 */
export function parseRedisUrl(text: string, tls: RedisTls = {}): RedisLocation {
  const url = URL.parse(text);
  const database = /^\/?(\d{0,4})$/.exec(url?.pathname ?? "")?.[1];
  if (!url?.hostname || database === undefined || url.search !== "" || url.hash !== "") throw malformed();
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(url.port || 6379),
    db: Number(database),
    ...(url.username !== "" && { username: decode(url.username) }),
    ...(url.password !== "" && { password: decode(url.password) }),
    ...(url.protocol === "rediss:" && { tls: { ...tls } as RedisLocation["tls"] }),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw malformed();
  }
}

function malformed(): TokenError {
  return new TokenError("INVALID_REQUEST", "a Redis location is redis[s]://[user[:password]@]host[:port][/database]");
}
