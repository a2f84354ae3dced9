import type { RedisOptions } from "ioredis";
import { TokenError } from "../errors.ts";

/** PEM texts for a `rediss…://` connection: whom to trust, and a client's certificate with its key. */
export interface RedisTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** Where one server listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** How to sign in at a server, as ioredis wants it. */
export type RedisAccess = Pick<RedisOptions, "username" | "password" | "tls">;

/** Where a Redis server is and how to sign in there, as ioredis wants it. */
export type RedisLocation = RedisAccess & Pick<RedisOptions, "host" | "port" | "db">;

/** Which sentinels know the master, how to sign in there, and how to do so at the master, as ioredis wants it. */
export type SentinelLocation = RedisAccess & {
  readonly sentinels: Address[];
  readonly name: string;
} & Pick<RedisOptions, "sentinelUsername" | "sentinelPassword" | "sentinelTLS" | "enableTLSForSentinelMode" | "db">;

/** Some nodes of a cluster, of which one at least has to answer at the start, and how to sign in at all of its nodes. */
export interface ClusterLocation {
  readonly seeds: readonly Address[];
  readonly access: RedisAccess;
}

export type RedisTopology =
  | { readonly type: "server"; readonly location: RedisLocation }
  | { readonly type: "sentinel"; readonly location: SentinelLocation }
  | { readonly type: "cluster"; readonly location: ClusterLocation };

const FORMS = {
  server: "a Redis location is redis[s]://[user[:password]@]host[:port][/database]",
  sentinel:
    "a location of sentinels is redis[s]+sentinel://[user[:password]@]host[:port][,host[:port]…]/master[/database]" +
    "[?sentinel_username=…&sentinel_password=…]",
  cluster: "a location of a Redis Cluster is redis[s]+cluster://[user[:password]@]host[:port][,host[:port]…]",
} as const;

const DEFAULT_PORTS = { sentinel: 26379, cluster: 6379 } as const;

/**
 * Reads where a Redis is, of one of three forms. User and password are percent-encoded.
 *
 * - `redis[s]://[user[:password]@]host[:port][/database]`
 * - `redis[s]+cluster://[user[:password]@]host[:port][,host[:port]…]`
 * - `redis[s]+sentinel://[user[:password]@]host[:port][,host[:port]…]/master[/database]`, where user and password are those of the
 *   Redis servers; those of the sentinels follow as `?sentinel_username=…&sentinel_password=…`.
 *
 * @throws INVALID_REQUEST if it is anything else. The message does not repeat it, because it may hold a password.
 */
export function parseRedisUrl(text: string, tls: RedisTls = {}): RedisTopology {
  const type = /^rediss?\+(cluster|sentinel):/.exec(text)?.[1] as "cluster" | "sentinel" | undefined;
  switch (type) {
    case "cluster":
      return { type, location: parseCluster(text, tls) };
    case "sentinel":
      return { type, location: parseSentinels(text, tls) };
    default:
      return { type: "server", location: parseServer(text, tls) };
  }
}

/** What may be shown of a location that `parseRedisUrl` takes: the hosts with their ports, and the name of the master. */
export function nameRedis(text: string): string {
  const { type, location } = parseRedisUrl(text);
  switch (type) {
    case "server":
      return nameHosts([{ host: location.host ?? "", port: location.port ?? 0 }]);
    case "sentinel":
      return `${location.name} of the sentinels ${nameHosts(location.sentinels)}`;
    case "cluster":
      return `the cluster of ${nameHosts(location.seeds)}`;
  }
}

function nameHosts(addresses: readonly Address[]): string {
  return addresses.map(({ host, port }) => `${host.includes(":") ? `[${host}]` : host}:${port}`).join(", ");
}

function parseServer(text: string, tls: RedisTls): RedisLocation {
  const url = URL.parse(text);
  const database = /^\/?(\d{0,4})$/.exec(url?.pathname ?? "")?.[1];
  if (!url?.hostname || !/^rediss?:$/.test(url.protocol) || database === undefined || url.search || url.hash)
    throw malformed("server");
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(url.port || 6379),
    db: Number(database),
    ...(url.username !== "" && { username: decode(url.username, "server") }),
    ...(url.password !== "" && { password: decode(url.password, "server") }),
    ...(url.protocol === "rediss:" && { tls: { ...tls } as RedisAccess["tls"] }),
  };
}

function parseCluster(text: string, tls: RedisTls): ClusterLocation {
  const { seeds, access, path, query } = parseList(text, tls, "cluster");
  if (!/^\/?$/.test(path) || query !== "") throw malformed("cluster");
  return { seeds, access };
}

function parseSentinels(text: string, tls: RedisTls): SentinelLocation {
  const { seeds, access, path, query } = parseList(text, tls, "sentinel");
  const [, name = "", database = ""] = /^\/([^/]+)(?:\/(\d{0,4}))?$/.exec(path) ?? [];
  const values = new Map(query === "" ? [] : new URLSearchParams(query));
  const [sentinelUsername, sentinelPassword] = [values.get("sentinel_username"), values.get("sentinel_password")];
  const known = ["sentinel_username", "sentinel_password"];
  const isUserAlone = sentinelUsername !== undefined && !sentinelPassword;
  if (name === "" || isUserAlone || [...values.keys()].some((key) => !known.includes(key))) throw malformed("sentinel");
  return {
    sentinels: [...seeds],
    name: decode(name, "sentinel"),
    db: Number(database),
    ...access,
    ...(sentinelUsername && { sentinelUsername }),
    ...(sentinelPassword && { sentinelPassword }),
    ...(access.tls && { sentinelTLS: access.tls, enableTLSForSentinelMode: true }),
  };
}

/** `URL` takes one host only. */
function parseList(text: string, tls: RedisTls, type: "cluster" | "sentinel") {
  const form = /^(rediss?)\+\w+:\/\/(?:([^:@/?#]*)(?::([^:@/?#]*))?@)?([^@/?#]+)([^?#]*)(?:\?([^#]*))?$/.exec(text);
  if (!form) throw malformed(type);
  const [, scheme, username = "", password = "", hosts = "", path = "", query = ""] = form;
  return {
    seeds: hosts.split(",").map((host) => parseAddress(host, type)),
    access: {
      ...(username !== "" && { username: decode(username, type) }),
      ...(password !== "" && { password: decode(password, type) }),
      ...(scheme === "rediss" && { tls: { ...tls } as RedisAccess["tls"] }),
    },
    path,
    query,
  };
}

function parseAddress(text: string, type: "cluster" | "sentinel"): Address {
  const url = URL.parse(`redis://${text}`);
  if (!url?.hostname || text.endsWith(":") || !/^\/?$/.test(url.pathname)) throw malformed(type);
  return { host: url.hostname.replace(/^\[(.*)\]$/, "$1"), port: Number(url.port || DEFAULT_PORTS[type]) };
}

function decode(text: string, type: RedisTopology["type"]): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw malformed(type);
  }
}

function malformed(type: RedisTopology["type"]): TokenError {
  return new TokenError("INVALID_REQUEST", FORMS[type]);
}
