import { createFolder } from "./at-end.ts";
import { type IslandPlace, siteOf } from "./partition.ts";
import { type ClientTls, type Directive, prepareAccess, type RedisAccessOptions, userInfo } from "./redis-access.ts";
import { type NodePorts, type RedisNode, startRedisNodes } from "./redis-node.ts";
import { agreedMaster, isHealthy, type Pace, SENTINEL_MASTER, setPace } from "./sentinel-state.ts";
import type { Site } from "./site.ts";
import { waitUntil } from "./wait.ts";

const SIZE = 3;
const QUORUM = 2;

/** No password with a space in it: a sentinel of Redis 7.0 writes those back in a way that it cannot read at its next start. */
export interface RedisSentinelsOptions extends RedisAccessOptions {
  /** Of the sentinels themselves. */
  readonly sentinelPassword?: string;
  /** Puts a proxy before each server and sentinel, through which clients, replicas and sentinels come. Not with `island`. */
  readonly proxies?: boolean;
  /**
   * After which a server that does not answer counts as down, in milliseconds. 1500 unless told: sentinels connect anew only
   * once a second, so with less than that each connection that is cut is a failover.
   */
  readonly downAfter?: number;
  /** "brisk" has a returning master made a replica in 3 seconds instead of 10. "usual" unless told. */
  readonly pace?: "usual" | "brisk";
  /** Settings of every server, such as `{ appendonly: "yes", "min-replicas-to-write": "1" }`. */
  readonly config?: Readonly<Record<string, string>>;
  /** Which servers a partition can set apart. The sentinels stay on the mainland. */
  readonly island?: IslandPlace;
}

/** A master, two replicas and three sentinels, all of them processes of this machine. */
export interface RedisSentinels {
  /** By which the sentinels know the master. */
  readonly name: string;
  /** The first one starts as the master. */
  readonly nodes: readonly RedisNode[];
  readonly sentinels: readonly RedisNode[];
  /** `redis[s]+sentinel://` with all sentinels, the master's name, and the password of the servers if there is one. */
  readonly url: string;
  readonly tls: ClientTls | undefined;
  /** On which most of the running sentinels agree. */
  master(): Promise<RedisNode>;
  /** Resolves when all running sentinels agree, and every running server follows the master and is in sync. */
  untilHealthy(): Promise<void>;
  /** SENTINEL FAILOVER. Resolves when another is master. */
  failOver(): Promise<void>;
  /** Of the servers' default user, for the sentinels too. Clients have to sign in anew. */
  changePassword(password: string): Promise<void>;
  /** Ends it and deletes its data, as the end of this process does. */
  stop(): Promise<void>;
}

/** Starts them. Resolves when they are healthy. */
export async function startRedisSentinels(options: RedisSentinelsOptions = {}): Promise<RedisSentinels> {
  const { password, sentinelPassword, island } = options;
  const folder = createFolder("latchkey-sentinel-");
  const started: RedisNode[] = [];
  const stop = async () => {
    await Promise.all(started.map((node) => node.stop()));
    await folder.remove();
  };
  try {
    const { tls, directives } = prepareAccess(folder.path, options, island?.partition.addresses);
    const common = { tls, isProxied: options.proxies ?? false };
    const startServers = async (numbers: readonly number[], master?: RedisNode) => {
      const starts = numbers.map((n) => {
        const site = siteOf(n, island);
        const configure = (ports: NodePorts) => [...serverDirectives(site, ports, options, master), ...directives];
        return { ...common, folder: `${folder.path}/server-${n}`, password, site, configure };
      });
      const servers = await startRedisNodes(starts);
      started.push(...servers);
      return servers;
    };
    const [master] = (await startServers([0])) as [RedisNode];
    const nodes = [master, ...(await startServers([1, 2], master))];
    const site = siteOf(-1, island);
    const sentinels = await startRedisNodes(
      Array.from({ length: SIZE }, (_, n) => ({
        ...common,
        folder: `${folder.path}/sentinel-${n}`,
        password: sentinelPassword,
        site,
        isSentinel: true,
        configure: (ports) => [...tlsOnly(directives), ...sentinelDirectives(site, ports, options, master)],
      })),
    );
    started.push(...sentinels);
    const untilHealthy = async (pace: Pace = options.pace ?? "usual") => {
      // Again each time: a sentinel that was restarted has the usual one.
      await setPace(sentinels, pace);
      await waitUntil("the sentinels and servers are healthy", () => isHealthy(nodes, sentinels), 30_000);
    };
    await untilHealthy("hasty");
    await setPace(sentinels, options.pace ?? "usual");
    const places = sentinels.map((node) => `${node.host}:${node.announced}`);
    return {
      name: SENTINEL_MASTER,
      nodes,
      sentinels,
      url: `${tls ? "rediss" : "redis"}+sentinel://${userInfo(password)}${places.join()}/${SENTINEL_MASTER}`,
      tls,
      master: () => agreedMaster(nodes, sentinels),
      untilHealthy: () => untilHealthy(),
      async failOver() {
        const before = await agreedMaster(nodes, sentinels);
        const asked = sentinels.find((sentinel) => sentinel.isRunning());
        // Refused as long as the sentinel has not heard from a replica for a while.
        const ask = async () => (await asked?.admin.call("SENTINEL", "FAILOVER", SENTINEL_MASTER)) === "OK";
        await waitUntil("the failover begins", ask);
        const isOver = async () => (await agreedMaster(nodes, sentinels)) !== before;
        await waitUntil("another is master", isOver, 20_000);
      },
      async changePassword(next) {
        for (const { admin } of sentinels) await admin.call("SENTINEL", "SET", SENTINEL_MASTER, "auth-pass", next);
        await Promise.all(nodes.map((node) => node.changePassword(next)));
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function serverDirectives(
  site: Site,
  { announced }: NodePorts,
  { config = {} }: RedisSentinelsOptions,
  master: RedisNode | undefined,
): Directive[] {
  return [
    ["save", ""],
    ["maxmemory-policy", "noeviction"],
    ["repl-diskless-sync-delay", "0"],
    ["replica-announce-ip", site.host],
    ["replica-announce-port", `${announced}`],
    ...(master ? [["replicaof", master.host, `${master.announced}`]] : []),
    ...Object.entries(config),
  ];
}

function sentinelDirectives(
  site: Site,
  { announced }: NodePorts,
  { password, sentinelPassword, downAfter = 1500 }: RedisSentinelsOptions,
  master: RedisNode,
): Directive[] {
  const about = (setting: string, value: string): Directive => ["sentinel", setting, SENTINEL_MASTER, value];
  return [
    ["sentinel", "announce-ip", site.host],
    ["sentinel", "announce-port", `${announced}`],
    ["sentinel", "monitor", SENTINEL_MASTER, master.host, `${master.announced}`, `${QUORUM}`],
    about("down-after-milliseconds", `${downAfter}`),
    about("failover-timeout", `${downAfter * 10}`),
    ...(password === undefined ? [] : [about("auth-pass", password)]),
    ...(sentinelPassword === undefined
      ? []
      : [
          ["requirepass", sentinelPassword],
          ["sentinel", "sentinel-pass", sentinelPassword],
        ]),
  ];
}

/** Who may sign in at the servers is none of the sentinels' business. */
function tlsOnly(directives: readonly Directive[]): readonly Directive[] {
  return directives.filter(([name = ""]) => name.startsWith("tls-"));
}
