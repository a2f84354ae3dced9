import type { RedisNode } from "./redis-node.ts";
import { waitUntil } from "./wait.ts";

const LAST_SLOT = 16_383;

/** What a node of a cluster says of itself. */
export interface NodeSelf {
  readonly id: string;
  readonly isMaster: boolean;
  /** Of the latest election that it, or its master, won. */
  readonly epoch: number;
  /** First and last of each range that it holds as a master. */
  readonly slots: readonly (readonly [number, number])[];
}

export async function readSelf(node: RedisNode): Promise<NodeSelf> {
  const lines = String(await node.admin.cluster("NODES")).split("\n");
  const [id = "", , flags = "", , , , epoch, , ...ranges] =
    lines.find((line) => line.includes("myself"))?.split(" ") ?? [];
  // In brackets are slots on the move.
  const slots = ranges.filter((range) => !range.startsWith("[")).map((range) => range.split("-").map(Number));
  return {
    id,
    isMaster: flags.split(",").includes("master"),
    epoch: Number(epoch),
    slots: slots.map(([first = 0, last = first]) => [first, last]),
  };
}

/** Makes a cluster of nodes that know of none: the n-th replica is that of the n-th master. */
export async function formCluster(masters: readonly RedisNode[], replicas: readonly RedisNode[]): Promise<void> {
  const nodes = [...masters, ...replicas];
  const width = Math.ceil((LAST_SLOT + 1) / masters.length);
  await Promise.all(
    nodes.map(async ({ admin }, n) => {
      await admin.call("CLUSTER", "SET-CONFIG-EPOCH", n + 1);
      if (n < masters.length)
        await admin.call("CLUSTER", "ADDSLOTSRANGE", n * width, Math.min((n + 1) * width - 1, LAST_SLOT));
    }),
  );
  // All meet all: gossip alone would take its time.
  for (const [n, { admin }] of nodes.entries())
    for (const { host, announced, bus } of nodes.slice(n + 1))
      await admin.call("CLUSTER", "MEET", host, announced, bus);
  await Promise.all(
    replicas.map(async ({ admin }, n) => {
      const id = await masters[n]?.admin.cluster("MYID");
      const follow = async () => (await admin.call("CLUSTER", "REPLICATE", String(id))) === "OK";
      await waitUntil("the replica knows its master", follow);
    }),
  );
}

/** Every running node serves, knows all others, and agrees with them; every running replica is in sync. */
export async function isHealthy(nodes: readonly RedisNode[]): Promise<boolean> {
  const running = nodes.filter((node) => node.isRunning());
  const views = await Promise.all(running.map((node) => readView(node, nodes.length)));
  return views.length > 0 && views.every((view) => view !== undefined && view === views[0]);
}

/** The masters and what they hold, as this node sees it; undefined as long as it is not well. */
async function readView({ admin }: RedisNode, size: number): Promise<string | undefined> {
  const [info, nodes, replication] = await Promise.all([
    admin.cluster("INFO"),
    admin.cluster("NODES"),
    admin.info("replication"),
  ]);
  if (!info.includes("cluster_state:ok") || !info.includes(`cluster_known_nodes:${size}`)) return undefined;
  if (/^role:slave/m.test(replication) && !/^master_link_status:up/m.test(replication)) return undefined;
  const lines = String(nodes).trim().split("\n");
  if (lines.some((line) => /handshake|noaddr|fail\?/.test(line))) return undefined;
  const masters = lines.map((line) => line.split(" ")).filter(([, , flags = ""]) => /master(?!,fail)/.test(flags));
  return masters
    .map(([id, , , , , , , , ...slots]) => `${id} ${slots.join(" ")}`)
    .sort()
    .join("\n");
}
