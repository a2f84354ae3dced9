import type { RedisNode } from "./redis-node.ts";

export const SENTINEL_MASTER = "latchkey";

const PACES = {
  /** Enough for sentinels and replicas to be found at once; but sentinels would undo each other's failovers. */
  hasty: { "info-period": 100, "publish-period": 100 },
  brisk: { "info-period": 1000, "publish-period": 500 },
  /** What Redis has, and users get. */
  usual: { "info-period": 10_000, "publish-period": 2_000 },
};

/** How often sentinels ask servers and tell each other, in milliseconds. */
export type Pace = keyof typeof PACES;

export async function setPace(sentinels: readonly RedisNode[], pace: Pace): Promise<void> {
  const words = Object.entries(PACES[pace]).flat();
  const running = sentinels.filter((sentinel) => sentinel.isRunning());
  await Promise.all(running.map(({ admin }) => admin.call("SENTINEL", "DEBUG", ...words)));
}

/** On which most of the running sentinels agree. */
export async function agreedMaster(nodes: readonly RedisNode[], sentinels: readonly RedisNode[]): Promise<RedisNode> {
  const running = sentinels.filter((sentinel) => sentinel.isRunning());
  const answers = await Promise.all(running.map(askForMaster));
  const found = nodes.find(
    (node) => answers.filter((answer) => answer === addressOf(node)).length * 2 > running.length,
  );
  if (!found) throw new Error("the sentinels agree on no master");
  return found;
}

async function askForMaster({ admin }: RedisNode): Promise<string> {
  const answer = await admin.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SENTINEL_MASTER);
  return (answer as string[]).join(":");
}

function addressOf({ host, announced }: RedisNode): string {
  return `${host}:${announced}`;
}

/** All running sentinels know the same master, each other and who follows it; it and all running servers are in sync. */
export async function isHealthy(nodes: readonly RedisNode[], sentinels: readonly RedisNode[]): Promise<boolean> {
  const master = await agreedMaster(nodes, sentinels);
  const replicas = nodes.filter((node) => node !== master && node.isRunning());
  const watchers = sentinels.filter((sentinel) => sentinel.isRunning());
  const wells = await Promise.all([
    isMaster(master),
    ...replicas.map((replica) => follows(replica, master)),
    ...watchers.flatMap((watcher) => [
      seesMaster(watcher, master, nodes.length - 1, sentinels.length - 1),
      seesReplicas(watcher, replicas),
    ]),
  ]);
  return wells.every((well) => well);
}

async function isMaster({ admin }: RedisNode): Promise<boolean> {
  return (await admin.info("replication")).includes("role:master");
}

async function follows({ admin }: RedisNode, master: RedisNode): Promise<boolean> {
  const info = await admin.info("replication");
  return [`master_host:${master.host}`, `master_port:${master.announced}`, "master_link_status:up"].every((line) =>
    info.includes(`${line}\r`),
  );
}

async function seesMaster({ admin }: RedisNode, master: RedisNode, replicas: number, others: number): Promise<boolean> {
  const seen = readFields(await admin.call("SENTINEL", "MASTER", SENTINEL_MASTER));
  if (`${seen.ip}:${seen.port}` !== addressOf(master) || seen.flags !== "master") return false;
  return seen["num-slaves"] === `${replicas}` && seen["num-other-sentinels"] === `${others}`;
}

// A sentinel that still believes an old master to be one undoes a failover to it.
async function seesReplicas({ admin }: RedisNode, replicas: readonly RedisNode[]): Promise<boolean> {
  const seen = ((await admin.call("SENTINEL", "REPLICAS", SENTINEL_MASTER)) as unknown[]).map(readFields);
  const well = seen.filter((one) => one.flags === "slave" && one["role-reported"] === "slave");
  return replicas.every((replica) => well.some(({ ip, port }) => `${ip}:${port}` === addressOf(replica)));
}

function readFields(answer: unknown): Partial<Record<string, string>> {
  const words = answer as string[];
  return Object.fromEntries(words.flatMap((word, n) => (n % 2 === 0 ? [[word, words[n + 1]]] : [])));
}
