import type { RedisNode } from "./redis-node.ts";

export const SENTINEL_MASTER = "latchkey";

const PACES = {
  /** Enough for sentinels and replicas to be found at once. */
  hasty: { "info-period": 100, "publish-period": 100 },
  /** What Redis has, and users get. */
  usual: { "info-period": 10_000, "publish-period": 2_000 },
};

/** How often sentinels ask servers and tell each other, in milliseconds. */
export type Pace = keyof typeof PACES;

export async function setPace(sentinels: readonly RedisNode[], pace: Pace): Promise<void> {
  const words = Object.entries(PACES[pace]).flat();
  await Promise.all(sentinels.map(({ admin }) => admin.call("SENTINEL", "DEBUG", ...words)));
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

/** All running sentinels know the same master and each other; it and all running servers are in sync. */
export async function isHealthy(nodes: readonly RedisNode[], sentinels: readonly RedisNode[]): Promise<boolean> {
  const master = await agreedMaster(nodes, sentinels);
  const servers = nodes.filter((node) => node.isRunning());
  const watchers = sentinels.filter((sentinel) => sentinel.isRunning());
  const wells = await Promise.all([
    ...servers.map((node) => (node === master ? isMaster(node) : follows(node, master))),
    ...watchers.map((watcher) => sees(watcher, master, nodes.length - 1, sentinels.length - 1)),
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

async function sees({ admin }: RedisNode, master: RedisNode, replicas: number, others: number): Promise<boolean> {
  const list = (await admin.call("SENTINEL", "MASTER", SENTINEL_MASTER)) as string[];
  const value = (name: string) => list[list.indexOf(name) + 1];
  if (`${value("ip")}:${value("port")}` !== addressOf(master) || value("flags") !== "master") return false;
  return value("num-slaves") === `${replicas}` && value("num-other-sentinels") === `${others}`;
}
