import type { Address } from "./redis-location.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";
import type { SlotRange } from "./redis-slots.ts";

/** A master, and the slots that it serves. */
export interface MappedMaster extends MappedNode {
  /** From the first to the last one. */
  readonly ranges: readonly SlotRange[];
}

/** A node, and the id by which the others know it. */
export interface MappedNode extends Address {
  readonly id: string;
}

/** Who serves what, as one node knows it. */
export interface ClusterMap {
  /** Of several maps, the one with the greatest is the latest. */
  readonly epoch: number;
  readonly masters: readonly MappedMaster[];
  readonly replicas: readonly MappedNode[];
}

/** As CLUSTER SLOTS answers it. */
type SlotNode = readonly [host: string | null, port: number, id: string, ...unknown[]];

/**
 * Asks a node who serves what.
 *
 * @throws if it is cut off from most of the cluster: what it knows may be out of date, and it hears of nothing.
 */
export async function readClusterMap(client: ScriptedRedis, node: Address): Promise<ClusterMap> {
  const [info, ranges] = await Promise.all([client.cluster("INFO"), client.cluster("SLOTS")]);
  const state = readState(info);
  const masters = new Map<string, MappedMaster & { ranges: SlotRange[] }>();
  const replicas: MappedNode[] = [];
  for (const [first, last, master, ...others] of ranges) {
    if (!master) continue;
    const known = masters.get(master[2]) ?? { ...addressOf(master, node), ranges: [] };
    known.ranges.push([first, last]);
    masters.set(known.id, known);
    for (const other of others) replicas.push(addressOf(other, node));
  }
  return { epoch: state.epoch, masters: [...masters.values()], replicas };
}

/**
 * Makes sure that a node is in touch with the cluster.
 *
 * @throws if it is not.
 */
export async function checkClusterState(client: ScriptedRedis): Promise<void> {
  readState(await client.cluster("INFO"));
}

function readState(info: string): { epoch: number } {
  const fields = new Map(info.split("\r\n").map((line) => line.split(":") as [string, string]));
  const state = fields.get("cluster_state");
  if (state !== "ok") throw new Error(`the state of its cluster is ${state ?? "unknown"}`);
  return { epoch: Number(fields.get("cluster_current_epoch")) };
}

/** The host is empty, or none, where a node does not know it, and then that of who answered. */
function addressOf([host, port, id]: SlotNode, node: Address): MappedNode {
  return { host: host && host !== "?" ? host : node.host, port, id };
}
