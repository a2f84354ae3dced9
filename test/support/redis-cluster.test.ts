import { Cluster, Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, expect, it, onTestFinished } from "vitest";
import { type RedisCluster, startRedisCluster } from "./redis-cluster.ts";
import type { RedisNode } from "./redis-node.ts";
import { waitUntil } from "./wait.ts";

/** Of every key of these tests that is to be in one shard, and the slot that it leads to. */
const TAG = "{3}";
const SLOT = 1584;

let cluster: RedisCluster;
beforeAll(async () => {
  const aclUser = { name: "latchkey", password: "of the user" };
  cluster = await startRedisCluster({
    proxies: true,
    password: 'a "password"',
    aclUser,
    config: { appendonly: "yes", appendfsync: "always" },
  });
});
afterEach(() => cluster.untilHealthy());
afterAll(() => cluster.stop());

/** A client as users have it. */
function connectCluster(): Cluster {
  const nodes = cluster.nodes.map(({ host, announced }) => ({ host, port: announced }));
  const options = { username: "latchkey", password: "of the user", enableReadyCheck: false, maxRetriesPerRequest: 20 };
  const client = new Cluster(nodes, { redisOptions: options, clusterRetryStrategy: () => 50 });
  client.on("error", () => {});
  onTestFinished(() => client.disconnect());
  return client;
}

/** The master of `SLOT` and its replica, as they are now. */
async function shardNow(): Promise<{ master: RedisNode; replica: RedisNode }> {
  const master = await cluster.masterOf(SLOT);
  const shard = cluster.shards.find((shard) => shard.includes(master));
  return { master, replica: shard?.find((node) => node !== master) as RedisNode };
}

const untilMaster = (node: RedisNode) =>
  waitUntil("it is master", async () => (await cluster.masterOf(SLOT)) === node, 20_000);

it("has three masters with a replica each, behind proxies that clients are told of", async () => {
  const client = connectCluster();
  for (let n = 0; n < 20; n++) await client.set(`lk:${n}`, n);
  const ports = cluster.nodes.map((node) => node.announced).toSorted();
  // Redis tells of a replica once it has replicated something.
  await waitUntil("clients are told of the proxies", async () => {
    const shards = (await client.cluster("SLOTS")) as unknown as [number, number, ...[string, number][]][];
    const told = shards.flatMap(([, , ...nodes]) => nodes.map(([, port]) => port));
    return told.toSorted().join() === ports.join();
  });
  const masters = await Promise.all([0, 6000, 16_383].map(cluster.masterOf));
  expect(masters).toEqual(cluster.nodes.slice(0, 3));
  for (const [master, replica] of cluster.shards) {
    expect(await master.admin.dbsize()).toBeGreaterThan(0);
    expect(await replica.admin.dbsize()).toBe(await master.admin.dbsize());
  }
  const { master } = await shardNow();
  master.proxy?.delay(30);
  const start = performance.now();
  await client.get(`lk:${TAG}`);
  expect(performance.now() - start).toBeGreaterThanOrEqual(60);
  master.proxy?.delay(0);
});

it("survives kill -9 of a master, which comes back as a replica with its data", async () => {
  const { master, replica } = await shardNow();
  await connectCluster().set(`lk:${TAG}:kill`, "v");
  await waitUntil("the replica has it", async () => (await replica.admin.dbsize()) === (await master.admin.dbsize()));
  await master.kill();
  expect(master.isRunning()).toBe(false);
  await untilMaster(replica);
  await master.start();
  await cluster.untilHealthy();
  expect(await shardNow()).toEqual({ master: replica, replica: master });
  expect(await connectCluster().get(`lk:${TAG}:kill`)).toBe("v");
});

it("survives a frozen master", async () => {
  const { master, replica } = await shardNow();
  master.freeze();
  await untilMaster(replica);
  master.thaw();
  await cluster.untilHealthy();
  expect((await shardNow()).master).toBe(replica);
});

it("is down without a whole shard, and has all of it again after its restart", async () => {
  const { master, replica } = await shardNow();
  const other = cluster.nodes.find((node) => node !== master && node !== replica) as RedisNode;
  await connectCluster().set(`lk:${TAG}:shard`, "v");
  await Promise.all([master.kill(), replica.kill()]);
  await waitUntil("it is down", async () => (await other.admin.cluster("INFO")).includes("cluster_state:fail"));
  await Promise.all([master.start(), replica.start()]);
  await cluster.untilHealthy();
  expect(await connectCluster().get(`lk:${TAG}:shard`)).toBe("v");
});

it.each([undefined, "FORCE", "TAKEOVER"] as const)("fails over when it is told to (%s)", async (how) => {
  const { master, replica } = await shardNow();
  await cluster.failOver(replica, how);
  await cluster.untilHealthy();
  expect(await shardNow()).toEqual({ master: replica, replica: master });
  await expect(master.admin.set(`lk:${TAG}`, "v")).rejects.toThrow(/^MOVED/);
});

it("moves a slot step by step: ASK, TRYAGAIN, then MOVED", async () => {
  const { master } = await shardNow();
  const target = await cluster.masterOf(16_383);
  const keys = ["a", "b", "c"].map((name) => `lk:${TAG}:move:${name}`);
  for (const key of keys) await master.admin.set(key, key);
  const move = await cluster.moveSlot(SLOT, target);
  await expect(master.admin.get(`lk:${TAG}:none`)).rejects.toThrow(`ASK ${SLOT} 127.0.0.1:${target.announced}`);
  // Other tests have left keys in this slot.
  while ((await move.moveKeys(1)) > 0 && (await master.admin.exists(...keys).catch(() => 0)) === 3);
  await expect(master.admin.mget(keys)).rejects.toThrow(/^TRYAGAIN/);
  const client = connectCluster();
  for (const key of keys) expect(await client.get(key)).toBe(key);
  await move.finish();
  await expect(master.admin.get(keys[0] as string)).rejects.toThrow(`MOVED ${SLOT} 127.0.0.1:${target.announced}`);
  for (const key of keys) expect(await client.get(key)).toBe(key);
  expect(await cluster.masterOf(SLOT)).toBe(target);
});

it("runs out of memory, and refuses writes without enough replicas, when it is configured so", async () => {
  const { master } = await shardNow();
  const write = () => master.admin.set(`lk:${TAG}:full`, "v");
  await master.configure({ maxmemory: "1" });
  await expect(write()).rejects.toThrow(/^OOM/);
  await master.configure({ maxmemory: "0", "min-replicas-to-write": "2" });
  await expect(write()).rejects.toThrow(/^NOREPLICAS/);
  await master.configure({ "min-replicas-to-write": "0" });
  await write();
});

it("lets nobody in with the old password after a change, and lives on with the new one", async () => {
  const { master } = await shardNow();
  const connect = (password: string) => {
    const client = new Redis({ port: master.announced, password, lazyConnect: true, maxRetriesPerRequest: 0 });
    onTestFinished(() => client.disconnect());
    return client.on("error", () => {});
  };
  const old = connect('a "password"');
  await old.ping();
  const refusals: string[] = [];
  old.on("error", ({ message }) => refusals.push(message));
  await cluster.changePassword("another");
  await waitUntil("the old one is refused", async () => refusals.some((message) => message.startsWith("WRONGPASS")));
  expect(await connect("another").ping()).toBe("PONG");
  await master.kill();
  await master.start();
  await cluster.untilHealthy();
  expect(await connect("another").ping()).toBe("PONG");
});

it("serves TLS only, to clients and between its nodes", async () => {
  const secure = await startRedisCluster({ tls: true });
  onTestFinished(secure.stop);
  const nodes = secure.nodes.map(({ host, announced }) => ({ host, port: announced }));
  const client = new Cluster(nodes, { redisOptions: { tls: { ...secure.tls } } });
  onTestFinished(() => client.disconnect());
  for (let n = 0; n < 20; n++) await client.set(`lk:${n}`, n);
  const move = await secure.moveSlot(await secure.slotOf("lk:1"), secure.nodes[0] as RedisNode);
  await move.finish();
  expect(await client.get("lk:1")).toBe("1");
  expect(secure.url).toMatch(/^rediss\+cluster:\/\/127\.0\.0\.1:/);
});
