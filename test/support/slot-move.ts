import { readSelf } from "./cluster-state.ts";
import type { RedisNode } from "./redis-node.ts";

const BATCH = 100;
const MIGRATE_TIMEOUT = 5_000;

/**
 * A slot on its way from one master to another. Clients see ASK for keys that have moved or are not there, and TRYAGAIN
 * where a command names keys on both sides. It stays like this until it is finished.
 */
export interface SlotMove {
  /** Moves up to so many keys. Answers how many there were to move. */
  moveKeys(count: number): Promise<number>;
  /** Moves what is left and gives the slot to its new master: from now on the old one answers MOVED. */
  finish(): Promise<void>;
}

export async function beginSlotMove(
  slot: number,
  from: RedisNode,
  to: RedisNode,
  nodes: readonly RedisNode[],
): Promise<SlotMove> {
  const [source, target] = [(await readSelf(from)).id, (await readSelf(to)).id];
  await to.admin.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source);
  await from.admin.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target);
  const moveKeys = async (count: number) => {
    const keys = await from.admin.cluster("GETKEYSINSLOT", slot, count);
    const { password } = to.admin.options;
    const signIn = password ? ["AUTH", password] : [];
    const where = [to.host, to.port, "", 0, MIGRATE_TIMEOUT];
    if (keys.length > 0) await from.admin.call("MIGRATE", ...where, ...signIn, "KEYS", ...keys);
    return keys.length;
  };
  return {
    moveKeys,
    async finish() {
      while ((await moveKeys(BATCH)) > 0);
      // The new master first: in between, each of the two sends clients to the other, and nothing is lost.
      const others = nodes.filter((node) => node !== from && node !== to && node.isRunning());
      for (const node of [to, from]) await node.admin.call("CLUSTER", "SETSLOT", slot, "NODE", target);
      for (const node of others)
        if ((await readSelf(node)).isMaster) await node.admin.call("CLUSTER", "SETSLOT", slot, "NODE", target);
    },
  };
}
