import { afterEach, describe, expect, it, vi } from "vitest";
import { openRedisStore } from "../../src/store/redis.ts";
import { ClusterMembers } from "../../src/store/redis-cluster-members.ts";
import { META_KEY, recordKey } from "../../src/store/redis-keys.ts";
import { RedisOutages } from "../../src/store/redis-outages.ts";
import type { Change, TokenStore } from "../../src/store/token-store.ts";
import { type RedisCluster, type RedisClusterOptions, startRedisCluster } from "../support/redis-cluster.ts";
import { startLoad } from "./load.ts";
import { insertToken, newOwner } from "./tokens.ts";

/** What an operation may take, whatever happens, with what a loaded machine adds. */
const BOUND = 2000;

type Shard = RedisCluster["shards"][number];

const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of cleanup.splice(0).reverse()) await end();
});

async function prepare(options?: RedisClusterOptions): Promise<{ cluster: RedisCluster; store: TokenStore }> {
  const cluster = await startRedisCluster(options);
  cleanup.push(() => cluster.stop());
  const store = await openRedisStore({ url: cluster.url, tls: cluster.tls });
  cleanup.push(() => store.close());
  return { cluster, store };
}

describe("a cluster under load", { timeout: 120_000 }, () => {
  it("hands over from master to replica without a lost or refused operation", async () => {
    const { cluster, store } = await prepare();
    const load = startLoad(store);
    for (const [first, second] of cluster.shards) {
      await cluster.failOver(second);
      await cluster.untilHealthy();
      await cluster.failOver(first);
      await cluster.untilHealthy();
    }
    const report = await load.stop();
    expect(report).toMatchObject({ contradictions: [], unavailable: 0 });
    expect(report.slowest).toBeLessThan(BOUND);
  });

  it("goes on without a restart after a master was killed, and ends every operation in time", async () => {
    const { cluster, store } = await prepare();
    const load = startLoad(store);
    await vi.waitFor(() => store.ping());
    for (const [first] of cluster.shards) {
      await first.kill();
      await vi.waitFor(() => expectAllServed(cluster, store), 15_000);
      await first.start();
      await cluster.untilHealthy();
    }
    const report = await load.stop();
    expect(report.slowest).toBeLessThan(BOUND);
    expect(report.unavailable).toBeGreaterThan(0);
  });

  it("goes on after a master was frozen, and after it thawed", async () => {
    const { cluster, store } = await prepare();
    const load = startLoad(store);
    const [first] = cluster.shards[0] as Shard;
    first.freeze();
    await vi.waitFor(() => expectAllServed(cluster, store), 15_000);
    first.thaw();
    await cluster.untilHealthy();
    await vi.waitFor(() => expectAllServed(cluster, store), 15_000);
    const report = await load.stop();
    expect(report.slowest).toBeLessThan(BOUND);
  });

  it("goes on after a whole shard was lost and is back", async () => {
    const { cluster, store } = await prepare();
    const [shard] = cluster.shards as [Shard, Shard, Shard];
    for (const node of shard) await node.configure({ appendonly: "yes" });
    const load = startLoad(store);
    for (const node of shard) await node.kill();
    await vi.waitFor(() => expect(store.ping()).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" }), 15_000);
    for (const node of shard) await node.start();
    await vi.waitFor(() => expectAllServed(cluster, store), 15_000);
    const report = await load.stop();
    expect(report.slowest).toBeLessThan(BOUND);
    expect(report.unavailable).toBeGreaterThan(0);
  });
});

/** Each master takes a write of ours. */
async function expectAllServed(cluster: RedisCluster, store: TokenStore): Promise<void> {
  await store.ping();
  const served = new Set<number>();
  while (served.size < 3) {
    const token = await insertToken(store, newOwner());
    const slot = await cluster.slotOf(recordKey(token.id));
    served.add(Math.floor(slot / Math.ceil(16_384 / 3)));
  }
}

describe("a cluster", { timeout: 60_000 }, () => {
  it("is opened through any of its nodes, replicas and some that are lost among the names", async () => {
    const { cluster } = await prepare();
    const replica = cluster.nodes[4];
    const store = await openRedisStore({ url: `redis+cluster://127.0.0.1:1,127.0.0.1:${replica?.port}` });
    cleanup.push(() => store.close());
    const token = await insertToken(store, newOwner());
    expect(await store.remove(token.id)).toBe(1);
  });

  it("is not opened where no node answers, with the reason and without the password", async () => {
    const error = await openRedisStore({ url: "redis+cluster://:secret-word@127.0.0.1:1,127.0.0.1:2" }).catch(
      (error: unknown) => error,
    );
    expect(error).toMatchObject({ reason: "STORE_UNAVAILABLE", cause: { message: expect.stringContaining("ECONN") } });
    expect(JSON.stringify([error, (error as Error).cause, (error as Error).stack])).not.toContain("secret-word");
  });

  it("lets in who has its password over TLS, and nobody else", async () => {
    const { cluster, store } = await prepare({ password: "s%cret/", tls: true });
    const token = await insertToken(store, newOwner());
    expect(await store.find(token.id)).toEqual(token);
    const wrong = cluster.url.replace(/:\/\/[^@]*@/, "://:wrong-word@");
    await expect(openRedisStore({ url: wrong, tls: cluster.tls })).rejects.toMatchObject({
      reason: "STORE_UNAVAILABLE",
      cause: { message: expect.stringContaining("WRONGPASS") },
    });
    await expect(openRedisStore({ url: cluster.url })).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
  });

  it("serves a user that may do what Latchkey needs and nothing else", async () => {
    const aclUser = { name: "latchkey", password: "p@ss:w/rd" };
    const { cluster } = await prepare({ aclUser });
    const user = `latchkey:${encodeURIComponent(aclUser.password)}@`;
    const store = await openRedisStore({ url: cluster.url.replace("://", `://${user}`) });
    cleanup.push(() => store.close());
    const token = await insertToken(store, newOwner());
    const changes: Change[] = [];
    store.subscribe((change) => changes.push(change));
    expect(await store.page({ tenant: token.tenant, limit: 2 })).toEqual([token]);
    expect(await store.remove(token.id)).toBe(1);
    await vi.waitFor(() => expect(changes).toHaveLength(2));
  });

  it("whose data is another installation's is not used any more", async () => {
    const { cluster, store } = await prepare();
    const token = await insertToken(store, newOwner());
    const master = await cluster.masterOfKey(META_KEY);
    await master.admin.hset(META_KEY, "shard_key", "00".repeat(32));
    await vi.waitFor(() => expect(store.find(token.id)).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" }), 4000);
    await expect(store.ping()).rejects.toMatchObject({
      cause: { message: expect.stringContaining("the data was replaced") },
    });
  });

  it("tells changes on, after a reset, when the node that told them is lost", async () => {
    const { cluster, store } = await prepare();
    const other = await openRedisStore({ url: cluster.url });
    cleanup.push(() => other.close());
    const changes: Change[] = [];
    store.subscribe((change) => changes.push(change));
    for (const node of cluster.nodes.slice(0, 3)) await node.admin.call("CLIENT", "KILL", "TYPE", "pubsub");
    await vi.waitFor(() => expect(changes).toEqual([{ type: "reset" }, { type: "reset" }]), 3000);
    const token = await insertToken(other, newOwner());
    await vi.waitFor(() => expect(changes.at(-1)).toEqual({ type: "changed", id: token.id }), 3000);
  });

  it("tells to forget all while its nodes are cut off from most others, and tells changes on afterwards", async () => {
    const { cluster, store } = await prepare();
    const changes: Change[] = [];
    store.subscribe((change) => changes.push(change));
    const subscribers = cluster.shards.map(([master]) => master.admin.call("CLIENT", "LIST", "TYPE", "pubsub"));
    const place = (await Promise.all(subscribers)).findIndex((list) => String(list).includes("cmd="));
    const alone = cluster.shards[place] as Shard;
    const others = cluster.shards.filter((shard) => shard !== alone);
    for (const node of others.flat()) node.freeze();
    await vi.waitFor(async () => expect(await alone[0].admin.cluster("INFO")).toContain("cluster_state:fail"), 10_000);
    changes.length = 0;
    await vi.waitFor(() => expect(changes).toContainEqual({ type: "reset" }), 3000);
    for (const node of others.flat()) node.thaw();
    await cluster.untilHealthy();
    await vi.waitFor(async () => {
      const { id } = await insertToken(store, newOwner());
      changes.length = 0;
      await vi.waitFor(() => expect(changes).toContainEqual({ type: "changed", id }), 300);
    }, 15_000);
  });

  it("has one time on all masters of one machine", async () => {
    const cluster = await startRedisCluster();
    cleanup.push(() => cluster.stop());
    const location = { seeds: [{ host: "127.0.0.1", port: cluster.nodes[0]?.port ?? 0 }], access: {} };
    const members = new ClusterMembers(location, { durability: undefined, outages: new RedisOutages() });
    cleanup.push(() => members.close());
    expect(members.clockSkew).toBe(0);
    await members.open();
    expect(members.masters.map(({ address }) => address.port)).toEqual(
      cluster.nodes.slice(0, 3).map(({ port }) => port),
    );
    expect(members.clockSkew).toBeLessThan(50);
  });
});
