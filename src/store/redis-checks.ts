import type { Durability } from "./redis-durable.ts";
import { FREE_KEY } from "./redis-keys.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";
import type { Weakness } from "./token-store.ts";

/** By how many milliseconds two clocks may differ that are both kept right. */
const CLOCK_TOLERANCE = 5000;
/** The same for the masters of a cluster, which are in one place. */
const SKEW_TOLERANCE = 1000;

const SETTINGS = [
  "save",
  "appendfsync",
  "min-replicas-to-write",
  "cluster-require-full-coverage",
  "cluster-allow-reads-when-down",
];

/** What the scripts run, and we besides, in forms that do nothing to a key which is not there. */
const RIGHTS: readonly (readonly [command: string, ...args: (string | number)[]])[] = [
  ...["get", "mget", "exists", "del", "persist", "pexpiretime", "zcard", "zrandmember", "scard"].map(
    (command) => [command] as const,
  ),
  ["set", "", "xx"],
  ["pexpireat", 1, "gt"],
  ["getrange", 0, 0],
  ["setrange", 0, ""],
  ["hget", "x"],
  ["sismember", "x"],
  ["zadd", "xx", 1, "x"],
  ["zcount", 0, 0],
  ["zrange", 0, 0],
  ["zrem", "x"],
  ["zremrangebyscore", 0, 0],
  ["zscan", 0],
  ["zscore", "x"],
];

export interface Expectations {
  readonly durability: Durability | undefined;
  /** By how many milliseconds the server's clock is ahead of this machine's. */
  readonly lead: number;
}

/** What of the server can be read; undefined where it does not let us. */
interface Facts {
  readonly info: ReadonlyMap<string, string> | undefined;
  readonly settings: ReadonlyMap<string, string> | undefined;
  readonly missingRights: readonly string[];
}

/** What of this master's state and settings breaks what Latchkey promises. */
export async function inspectRedis(client: ScriptedRedis, expectations: Expectations): Promise<Weakness[]> {
  const replicas = expectations.durability?.replicas ?? 0;
  const facts: Facts = {
    info: await readInfo(client),
    settings: await readSettings(client),
    missingRights: await findMissingRights(client, replicas > 0),
  };
  const { info, settings } = facts;
  return [
    ...checkRights(facts),
    ...(info ? [...checkVersion(info), ...checkPersistence(info, settings, replicas)] : []),
    ...(info ? [...checkMemory(info), ...checkReplicas(info, settings, replicas)] : []),
    ...(info?.get("cluster_enabled") === "1" ? checkCluster(settings) : []),
    ...checkClock(expectations.lead),
  ];
}

async function readInfo(client: ScriptedRedis): Promise<ReadonlyMap<string, string> | undefined> {
  const text = await unlessRefused(client.info());
  return text === undefined ? undefined : new Map(text.split("\r\n").flatMap(toEntry));
}

function toEntry(line: string): [string, string][] {
  const colon = line.indexOf(":");
  return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)]];
}

async function readSettings(client: ScriptedRedis): Promise<ReadonlyMap<string, string> | undefined> {
  const reply = (await unlessRefused(client.call("CONFIG", "GET", ...SETTINGS))) as string[] | undefined;
  if (!reply) return undefined;
  return new Map(reply.flatMap((name, index) => (index % 2 === 0 ? [[name, reply[index + 1] ?? ""]] : [])));
}

async function findMissingRights(client: ScriptedRedis, waits: boolean): Promise<string[]> {
  const probes = RIGHTS.map(([command, ...args]) => [command, FREE_KEY, ...args] as const);
  const all = waits ? [...probes, ["wait", 0, 1] as const] : probes;
  const isRefused = await Promise.all(
    all.map(([command, ...args]) =>
      client.call(command, ...args).then(
        () => false,
        (error: unknown) => isRefusal(error),
      ),
    ),
  );
  return all.flatMap(([command], index) => (isRefused[index] ? [command] : []));
}

/** What the user may not do, and what a managed Redis has no command for. */
async function unlessRefused<T>(asked: Promise<T>): Promise<T | undefined> {
  return asked.catch((error: unknown) => {
    if (isRefusal(error)) return undefined;
    throw error;
  });
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && /^(NOPERM|ERR unknown command)/.test(error.message);
}

function* checkRights({ info, settings, missingRights }: Facts): Generator<Weakness> {
  if (missingRights.length > 0) {
    const rights = missingRights.map((command) => `+${command}`).join(" ");
    yield sure(`the user lacks rights, so that calls will fail: give it ${rights} and ~lk:* (ACL SETUSER)`);
  }
  const unread = [...(info ? [] : ["INFO"]), ...(settings ? [] : ["CONFIG GET"])];
  if (unread.length > 0) {
    const remedy = "look at them yourself, or give the user +info +config|get (ACL SETUSER)";
    yield unsure(
      `the server does not let us read ${unread.join(" and ")}, so its settings can't be checked: ${remedy}`,
    );
  }
}

function* checkVersion(info: ReadonlyMap<string, string>): Generator<Weakness> {
  const version = info.get("redis_version") ?? "";
  if (Number.parseInt(version, 10) < 7) yield sure(`Redis is ${version}: Latchkey needs 7.0 or newer`);
}

function* checkPersistence(
  info: ReadonlyMap<string, string>,
  settings: ReadonlyMap<string, string> | undefined,
  replicas: number,
): Generator<Weakness> {
  const remedy = "set appendonly to yes";
  if (info.get("aof_enabled") !== "1") {
    const loss = "a restart forgets what was changed since, and tokens that were deleted live again";
    if (settings?.get("save") === "")
      yield sure(`nothing is written to the disk, so a restart loses all tokens: ${remedy}`);
    else yield sure(`Redis writes snapshots at most (appendonly is no): ${loss}: ${remedy}`);
  } else if (info.get("aof_last_write_status") === "err") {
    yield sure("the append-only file can't be written: look at the disk of Redis and at its log");
  }
  if (info.get("rdb_last_bgsave_status") === "err") {
    yield sure("the last snapshot could not be written: look at the disk and the memory of Redis, and at its log");
  }
  const sync = settings?.get("appendfsync");
  if (info.get("aof_enabled") === "1" && replicas === 0 && sync !== undefined && sync !== "always") {
    const span = sync === "everysec" ? "a second" : "half a minute";
    yield sure(
      `appendfsync is ${sync}: a machine that fails loses acknowledged changes of up to ${span}, deletions among them: set it to always, or have replicas and LATCHKEY_WAIT_REPLICAS`,
    );
  }
}

function* checkMemory(info: ReadonlyMap<string, string>): Generator<Weakness> {
  const policy = info.get("maxmemory_policy");
  if (policy === undefined || policy === "noeviction") return;
  yield sure(`maxmemory-policy is ${policy}: a full Redis throws tokens away: set it to noeviction`);
}

function* checkReplicas(
  info: ReadonlyMap<string, string>,
  settings: ReadonlyMap<string, string> | undefined,
  replicas: number,
): Generator<Weakness> {
  const online = [...info].filter(([name, value]) => /^slave\d+$/.test(name) && value.includes("state=online")).length;
  const count = Number(info.get("connected_slaves"));
  if (online < replicas) {
    yield sure(
      `${online} replicas are connected, and LATCHKEY_WAIT_REPLICAS is ${replicas}: no change will be acknowledged: start the missing ones, or look at the log of those that lag`,
    );
  }
  if (count > replicas) {
    yield sure(
      `${count} replicas are connected, and LATCHKEY_WAIT_REPLICAS is ${replicas}: one that is not waited for may be promoted, and acknowledged changes are lost then, deletions among them: set it to ${count}`,
    );
  }
  if (replicas > 0 && settings?.get("min-replicas-to-write") === "0") {
    yield sure(
      "min-replicas-to-write is 0: a master that has lost its replicas makes changes that it can't acknowledge: set it to 1 or more",
    );
  }
}

function* checkCluster(settings: ReadonlyMap<string, string> | undefined): Generator<Weakness> {
  if (settings?.get("cluster-allow-reads-when-down") === "yes") {
    yield sure(
      "cluster-allow-reads-when-down is yes: a master that was replaced may go on to call deleted tokens active: set it to no",
    );
  }
  if (settings?.get("cluster-require-full-coverage") === "yes") {
    yield sure(
      "cluster-require-full-coverage is yes: where one shard is down, all tokens are out of reach: set it to no",
    );
  }
}

/** @param skew by how many milliseconds the clocks of a cluster's masters differ. */
export function* checkClockSkew(skew: number): Generator<Weakness> {
  if (skew <= SKEW_TOLERANCE) return;
  const seconds = (skew / 1000).toFixed(1);
  yield sure(
    `the clocks of the masters differ by ${seconds} s, so that the tokens of one shard end earlier than those of another: have all set by NTP`,
  );
}

function* checkClock(lead: number): Generator<Weakness> {
  if (Math.abs(lead) <= CLOCK_TOLERANCE) return;
  const seconds = Math.round(Math.abs(lead) / 1000);
  const how = `${seconds} s ${lead > 0 ? "ahead of" : "behind"} this machine's`;
  yield sure(`the clock of Redis is ${how}, and tokens live by that of Redis: have both set by NTP`);
}

function sure(description: string): Weakness {
  return { description, isCertain: true };
}

function unsure(description: string): Weakness {
  return { description, isCertain: false };
}
