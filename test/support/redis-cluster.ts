import { createFolder } from "./at-end.ts";
import { formCluster, isHealthy, readSelf } from "./cluster-state.ts";
import { type IslandPlace, siteOf } from "./partition.ts";
import { type ClientTls, type Directive, prepareAccess, type RedisAccessOptions, userInfo } from "./redis-access.ts";
import { type NodePorts, type RedisNode, startRedisNodes } from "./redis-node.ts";
import type { Site } from "./site.ts";
import { beginSlotMove, type SlotMove } from "./slot-move.ts";
import { waitUntil } from "./wait.ts";

const MASTERS = 3;
const SIZE = 6;

export interface RedisClusterOptions extends RedisAccessOptions {
  /** Puts a proxy before each node, and tells clients the proxies' ports. Not together with `island`. */
  readonly proxies?: boolean;
  /** After which a node that is not heard of counts as failing, in milliseconds. 1000 unless told. */
  readonly nodeTimeout?: number;
  /** Settings of every node, such as `{ appendonly: "yes", "min-replicas-to-write": "1" }`. */
  readonly config?: Readonly<Record<string, string>>;
  /** Which nodes a partition can set apart. */
  readonly island?: IslandPlace;
}

/** Three masters and three replicas, all of them processes of this machine. */
export interface RedisCluster {
  /** `nodes[n]` for n below 3 starts as a master, and `nodes[n + 3]` as its replica. */
  readonly nodes: readonly RedisNode[];
  /** The nodes of a shard: those that began as master and replica. */
  readonly shards: readonly (readonly [RedisNode, RedisNode])[];
  /** `redis[s]+cluster://` with all nodes, and the password if there is one. */
  readonly url: string;
  readonly tls: ClientTls | undefined;
  /** The running node that holds this slot as a master, by the latest of the elections that it won. */
  masterOf(slot: number): Promise<RedisNode>;
  /** That of the slot of a key. */
  masterOfKey(key: string): Promise<RedisNode>;
  slotOf(key: string): Promise<number>;
  /** Resolves when all running nodes serve, agree on who is who, and every running replica is in sync with its master. */
  untilHealthy(): Promise<void>;
  /** CLUSTER FAILOVER to this replica; FORCE does it without the master's consent, TAKEOVER without the others' as well. */
  failOver(to: RedisNode, how?: "FORCE" | "TAKEOVER"): Promise<void>;
  /** Of the default user, on all nodes. Clients have to sign in anew. */
  changePassword(password: string): Promise<void>;
  /** Opens a slot for its move to another master, as live resharding does. */
  moveSlot(slot: number, to: RedisNode): Promise<SlotMove>;
  /** Ends it and deletes its data, as the end of this process does. */
  stop(): Promise<void>;
}

/** Starts a cluster of its own. Resolves when it is healthy. */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const { password } = options;
  const folder = createFolder("latchkey-cluster-");
  let nodes: readonly RedisNode[] = [];
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await folder.remove();
  };
  const untilHealthy = () => waitUntil("the cluster is healthy", () => isHealthy(nodes), 30_000);
  const masterOf = (slot: number) => findMaster(nodes, slot);
  const slotOf = async (key: string) => {
    const node = nodes.find((node) => node.isRunning());
    if (!node) throw new Error("no node runs");
    return Number(await node.admin.cluster("KEYSLOT", key));
  };
  try {
    const { tls, directives } = prepareAccess(folder.path, options, options.island?.partition.addresses);
    const starts = Array.from({ length: SIZE }, (_, n) => {
      const site = siteOf(n, options.island);
      return {
        folder: `${folder.path}/${n}`,
        password,
        tls,
        isProxied: options.proxies ?? false,
        site,
        configure: (ports: NodePorts) => [...clusterDirectives(site, ports, options), ...directives],
      };
    });
    nodes = await startRedisNodes(starts);
    await formCluster(nodes.slice(0, MASTERS), nodes.slice(MASTERS));
    await untilHealthy();
    const places = nodes.map((node) => `${node.host}:${node.announced}`);
    return {
      nodes,
      shards: nodes.slice(0, MASTERS).map((node, n) => [node, nodes[n + MASTERS] as RedisNode]),
      url: `${tls ? "rediss" : "redis"}+cluster://${userInfo(password)}${places.join()}`,
      tls,
      masterOf,
      slotOf,
      masterOfKey: async (key) => masterOf(await slotOf(key)),
      untilHealthy,
      async failOver(to, how) {
        await to.admin.call("CLUSTER", "FAILOVER", ...(how ? [how] : []));
        await waitUntil("the replica is master", async () => (await readSelf(to)).isMaster);
      },
      async changePassword(next) {
        await Promise.all(nodes.map((node) => node.changePassword(next)));
      },
      moveSlot: async (slot, to) => beginSlotMove(slot, await masterOf(slot), to, nodes),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function clusterDirectives(site: Site, { bus, announced }: NodePorts, options: RedisClusterOptions): Directive[] {
  const { tls, nodeTimeout = 1000, config = {} } = options;
  return Object.entries({
    "cluster-enabled": "yes",
    "cluster-port": `${bus}`,
    "cluster-node-timeout": `${nodeTimeout}`,
    "cluster-announce-ip": site.host,
    "cluster-announce-bus-port": `${bus}`,
    ...(tls
      ? { "tls-cluster": "yes", "cluster-announce-tls-port": `${announced}` }
      : { "cluster-announce-port": `${announced}` }),
    save: "",
    "maxmemory-policy": "noeviction",
    "repl-diskless-sync-delay": "0",
    ...config,
  });
}

/** A master that was cut off or frozen may still believe that it holds the slot; its epoch is older. */
async function findMaster(nodes: readonly RedisNode[], slot: number): Promise<RedisNode> {
  let found: { node: RedisNode; epoch: number } | undefined;
  for (const node of nodes) {
    const self = node.isRunning() ? await readSelf(node).catch(() => undefined) : undefined;
    if (!self?.isMaster || !self.slots.some(([first, last]) => first <= slot && slot <= last)) continue;
    if (!found || self.epoch > found.epoch) found = { node, epoch: self.epoch };
  }
  if (!found) throw new Error(`no running node is master of slot ${slot}`);
  return found.node;
}
