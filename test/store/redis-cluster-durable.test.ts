import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { changed } from "../../src/domain/token.ts";
import { openRedisStore } from "../../src/store/redis.ts";
import { ClusterNode } from "../../src/store/redis-cluster-node.ts";
import { indexKey, recordKey } from "../../src/store/redis-keys.ts";
import { RedisOutages } from "../../src/store/redis-outages.ts";
import type { ScriptedRedis } from "../../src/store/redis-scripts.ts";
import type { StoreEvent } from "../../src/store/store-events.ts";
import type { TokenStore } from "../../src/store/token-store.ts";
import { type RedisCluster, startRedisCluster } from "../support/redis-cluster.ts";
import type { RedisNode } from "../support/redis-node.ts";
import { startLoad } from "./load.ts";
import { HOUR, insertToken, newOwner, newToken } from "./tokens.ts";

let cluster: RedisCluster;
let store: TokenStore;
const events: StoreEvent[] = [];
beforeAll(async () => {
  // So long that no busy machine has a replica take over in the middle of a move, of which Redis tells replicas nothing.
  cluster = await startRedisCluster({ nodeTimeout: 15_000 });
  store = await open();
}, 60_000);
afterEach(async () => {
  for (const node of cluster.nodes) node.thaw();
  await cluster.untilHealthy();
  events.length = 0;
});
afterAll(async () => {
  await store.close();
  await cluster.stop();
});

async function open(): Promise<TokenStore> {
  return openRedisStore({
    url: cluster.url,
    durability: { replicas: 1, timeout: 300 },
    listener: (event) => events.push(event),
  });
}

async function shardOf(key: string): Promise<{ master: RedisNode; replica: RedisNode }> {
  const master = await cluster.masterOfKey(key);
  const shard = cluster.shards.find((nodes) => nodes.includes(master));
  return { master, replica: shard?.find((node) => node !== master) as RedisNode };
}

/** A master that does not hold the key. */
async function otherMaster(key: string): Promise<RedisNode> {
  const holder = await cluster.masterOfKey(key);
  for (const [first, second] of cluster.shards) {
    if (first === holder || second === holder) continue;
    return (await shardOf(recordKey(await idOn(first, second)))).master;
  }
  throw new Error("there is no other");
}

/** An id whose token would lie on one of these nodes. */
async function idOn(...nodes: RedisNode[]): Promise<string> {
  for (;;) {
    const { id } = newToken(store, newOwner());
    if (nodes.includes(await cluster.masterOfKey(recordKey(id)))) return id;
  }
}

const TOO_FEW = {
  reason: "STORE_UNAVAILABLE",
  message: "too few replicas have confirmed: the change may stand or not",
  cause: { message: "0 of 1 replicas have confirmed within 300 ms" },
};

describe("an acknowledgement of a cluster that takes the replica of the shard", { timeout: 60_000 }, () => {
  it("is given for whatever the replica has", async () => {
    const token = await insertToken(store, newOwner());
    expect(await store.replace(token, changed(token, { active: false }))).toBe("replaced");
    expect((await store.settled.find(token.id))?.active).toBe(false);
    expect(await store.settled.page({ ...token, limit: 9 })).toHaveLength(1);
    expect(await store.settled.removeAll(token, () => true)).toBe(1);
    expect(await store.settled.find(token.id)).toBeUndefined();
    const { replica } = await shardOf(recordKey(token.id));
    await replica.admin.readonly();
    expect(await replica.admin.exists(recordKey(token.id))).toBe(0);
    expect(events).toEqual([]);
  });

  it("is not given for anything in a shard whose replica lags, and for all in the others", async () => {
    const token = await insertToken(store, newOwner());
    const { replica } = await shardOf(recordKey(token.id));
    const others = cluster.shards.filter((nodes) => !nodes.includes(replica)).flat();
    const elsewhere = { ...newToken(store, newOwner()), id: await idOn(...others) };
    replica.freeze();
    const outcomes: [string, () => Promise<unknown>][] = [
      ["replace", () => store.replace(token, changed(token, { active: false }))],
      ["refused replace", () => store.replace(token, changed(token, { active: false }))],
      ["settled find", () => store.settled.find(token.id)],
      ["settled page", () => store.settled.page({ ...token, limit: 1 })],
      ["remove", () => store.remove(token.id)],
    ];
    for (const [what, run] of outcomes) {
      const error = await run().catch((error: unknown) => error);
      expect(error, what).toMatchObject(TOO_FEW);
    }
    expect(await store.find(token.id)).toBeUndefined();
    expect(await store.settled.find(elsewhere.id)).toBeUndefined();
    expect(events).toEqual([{ type: "unconfirmed", cause: TOO_FEW.cause.message }]);
    replica.thaw();
    await vi.waitFor(() => store.settled.find(token.id), 5000);
    expect(events.slice(1)).toEqual([{ type: "confirmed", milliseconds: expect.any(Number) }]);
  });

  it("comes from where a slot has moved to, or is moving to", async () => {
    const owner = newOwner();
    const token = await insertToken(store, owner);
    const key = indexKey(store.shardTag(owner), owner);
    const to = await otherMaster(key);
    const move = await cluster.moveSlot(await cluster.slotOf(key), to);
    expect(await store.settled.find(token.id)).toEqual(token);
    await move.moveKeys(100);
    expect(await store.settled.find(token.id)).toEqual(token);
    const waits = await countCalls(to, "wait");
    // What names several keys waits until they are known to be together.
    const claim = { tag: store.shardTag(owner), name: "new", value: "x", until: Date.now() + HOUR };
    expect(await store.claim(claim)).toBe("x");
    expect(await countCalls(to, "wait")).toBeGreaterThan(waits);
    await move.finish();
    expect(await store.replace(token, changed(token, { active: false }))).toBe("replaced");
    expect(await store.settled.findClaim(claim.tag, claim.name)).toBe("x");
    expect(await store.remove(token.id)).toBe(1);
  });

  it("comes from a master that is given its first slot", async () => {
    const key = recordKey(newToken(store, newOwner()).id);
    const to = await otherMaster(key);
    const move = await cluster.moveSlot(await cluster.slotOf(key), to);
    const options = { durability: { replicas: 1, timeout: 300 }, outages: new RedisOutages() };
    // It does not know of the others that this master has.
    const node = new ClusterNode(to, {}, options, () => {});
    onTestFinished(() => node.close());
    node.connect();
    await vi.waitFor(() => expect(node.serves).toBe(true));
    const run = (client: ScriptedRedis) => client.get(key);
    expect(await node.run({ manner: "settle", key, run }, true)).toEqual({ value: null });
    await move.finish();
  });

  it("is given without a contradiction while slots move under load", { timeout: 120_000 }, async () => {
    const load = startLoad(store);
    for (let moved = 0; moved < 40; moved++) {
      const { id } = newToken(store, newOwner());
      const node = await cluster.masterOfKey(recordKey(id));
      const used = (await node.admin.randomkey()) ?? recordKey(id);
      const move = await cluster.moveSlot(await cluster.slotOf(used), await otherMaster(used));
      await move.finish();
    }
    const report = await load.stop();
    expect(report).toMatchObject({ contradictions: [], unavailable: 0 });
    expect(report.answered).toBeGreaterThan(1000);
  });

  it("leaves no key behind", async () => {
    await insertToken(store, newOwner());
    for (const [first, second] of cluster.shards) {
      const master = (await first.admin.role())[0] === "master" ? first : second;
      expect(await master.admin.keys("lk:tick*")).toEqual([]);
    }
  });
});

describe("a cluster's weaknesses", () => {
  it("are told for each master", async () => {
    const weaknesses = (await store.inspect()).map(({ description }) => description);
    const ports = weaknesses.map((text) => text.slice(0, text.indexOf(": ")));
    expect(new Set(ports).size).toBe(3);
    expect(weaknesses.join("\n")).toContain("nothing is written to the disk");
    const plain = await openRedisStore({ url: cluster.url });
    onTestFinished(() => plain.close());
    expect((await plain.inspect()).map(({ description }) => description).join("\n")).toContain(
      "1 replicas are connected, and LATCHKEY_WAIT_REPLICAS is 0",
    );
  });
});

async function countCalls({ admin }: RedisNode, command: string): Promise<number> {
  const stats = await admin.info("commandstats");
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}
