import { afterEach, describe, expect, it, vi } from "vitest";
import { changed, type Token } from "../../src/domain/token.ts";
import { openRedisStore } from "../../src/store/redis.ts";
import type { StoreEvent } from "../../src/store/store-events.ts";
import type { TokenStore } from "../../src/store/token-store.ts";
import { startProxy, type TcpProxy } from "../support/proxy.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { HOUR, insertToken, newOwner, newToken } from "./tokens.ts";

const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of cleanup.splice(0).reverse()) await end();
});

async function start(): Promise<RedisServer> {
  const server = await startRedis({ config: { "repl-diskless-sync-delay": "0" } });
  cleanup.push(() => server.stop());
  return server;
}

/** A replica that hears its master through a proxy, and is up to date. */
async function startReplica(master: RedisServer): Promise<{ replica: RedisServer; link: TcpProxy }> {
  const [replica, link] = [await start(), await startProxy(master.port)];
  cleanup.push(() => link.close());
  await replica.admin.replicaof("127.0.0.1", link.port);
  await vi.waitFor(async () => expect(await replica.admin.info("replication")).toContain("link_status:up"), 10_000);
  return { replica, link };
}

async function open(server: RedisServer, replicas: number, timeout = 200) {
  const events: StoreEvent[] = [];
  const store = await openRedisStore({
    url: server.url,
    durability: { replicas, timeout },
    listener: (event) => events.push(event),
  });
  cleanup.push(() => store.close());
  return { store, events };
}

async function startGroup(replicas: number, timeout?: number) {
  const master = await start();
  const followers = [await startReplica(master), await startReplica(master)] as const;
  // As many as there are, once the master knows of both.
  await master.admin.set("x", "");
  expect(await master.admin.wait(2, 10_000)).toBe(2);
  return { master, followers, ...(await open(master, replicas, timeout)) };
}

const TOO_FEW = {
  code: "UNAVAILABLE",
  reason: "STORE_UNAVAILABLE",
  retryDelay: 500,
  message: "too few replicas have confirmed: the change may stand or not",
  cause: { message: "1 of 2 replicas have confirmed within 200 ms" },
};

/** Everything that is acknowledged to somebody, in the order in which it can be done. */
function acknowledged(store: TokenStore, token: Token): [string, () => Promise<unknown>][] {
  const tag = store.shardTag(token);
  const mark = { name: "mark", value: "", until: Date.now() + HOUR };
  const next = changed(token, { active: false });
  const child = newToken(store, token, { parentId: token.id });
  const other = newOwner();
  return [
    ["insert", () => store.insert(newToken(store, token), { mark })],
    ["repeated insert", () => store.insert(newToken(store, token), { mark })],
    ["insert with its parent", () => store.insert(child, { parent: { previous: token, next } })],
    ["replace", () => store.replace(next, changed(next, { active: true }))],
    ["refused replace", () => store.replace(token, next)],
    ["claim", () => store.claim({ ...mark, tag, name: "claim" })],
    ["known claim", () => store.claim({ ...mark, tag, name: "claim", value: "other" })],
    ["alias", () => store.addAlias("alias", token.id, Date.now() + HOUR)],
    ["adopted keys", () => store.adoptKeys(["a"])],
    ["settled find", () => store.settled.find(token.id)],
    ["settled page", () => store.settled.page({ ...token, limit: 1 })],
    ["settled claim", () => store.settled.findClaim(tag, "claim")],
    ["settled aliases", () => store.settled.findAliases(["alias"])],
    ["remove", () => store.remove(token.id)],
    ["remove of what is gone", () => store.settled.remove(token.id)],
    ["removal of nothing", () => store.settled.removeAll(other, () => true)],
  ];
}

describe("an acknowledgement that takes two replicas", () => {
  it("is given for everything as soon as both have it", async () => {
    const { master, store, events } = await startGroup(2);
    const token = await insertToken(store, newOwner());
    for (const [what, run] of acknowledged(store, token)) {
      const waits = () => countCalls(master, "wait");
      const before = await waits();
      await run();
      expect([what, (await waits()) > before]).toEqual([what, true]);
    }
    expect(events).toEqual([]);
  });

  it("is not given for anything while one lags, and what only reads is answered", async () => {
    const { store, followers, events } = await startGroup(2);
    const token = await insertToken(store, newOwner());
    followers[0].replica.freeze();
    for (const [what, run] of acknowledged(store, token)) {
      const error = await run().catch((error: unknown) => error);
      expect([what, error]).toEqual([what, expect.objectContaining({ name: "TokenError" })]);
      expect(error, what).toMatchObject(TOO_FEW);
    }
    expect(await store.find(token.id)).toBeUndefined();
    await store.ping();
    expect(events).toEqual([{ type: "unconfirmed", cause: TOO_FEW.cause.message }]);
    followers[0].replica.thaw();
    await vi.waitFor(() => store.settled.find(token.id), 5000);
    expect(await store.settled.remove(token.id)).toBe(0);
    expect(events.slice(1)).toEqual([{ type: "confirmed", milliseconds: expect.any(Number) }]);
  });

  it("can be had later for a write that was not acknowledged, by who repeats it, elsewhere too", async () => {
    const { master, store, followers } = await startGroup(2);
    const { store: elsewhere } = await open(master, 2);
    const token = newToken(store, newOwner());
    const mark = { name: "mark", value: "", until: Date.now() + HOUR };
    followers[1].replica.freeze();
    for (const one of [store, elsewhere]) await expect(one.insert(token, { mark })).rejects.toMatchObject(TOO_FEW);
    followers[1].replica.thaw();
    await vi.waitFor(async () => expect(await elsewhere.insert(token, { mark })).toBe("repeated"), 5000);
  });

  it("is not given for what Redis itself refuses, at once", async () => {
    const { master, store, followers } = await startGroup(2, 700);
    followers[0].replica.freeze();
    await master.admin.config("SET", "maxmemory", "1");
    const begun = performance.now();
    await expect(store.insert(newToken(store, newOwner()))).rejects.toMatchObject({
      reason: "STORE_UNAVAILABLE",
      cause: { message: expect.stringContaining("OOM") },
    });
    expect(performance.now() - begun).toBeLessThan(500);
    followers[0].replica.thaw();
  });

  it("is shared by the writes that come while one waits", async () => {
    const { master, store } = await startGroup(2);
    const owner = newOwner();
    const before = await countCalls(master, "wait");
    await Promise.all(Array.from({ length: 300 }, () => store.insert(newToken(store, owner))));
    expect((await countCalls(master, "wait")) - before).toBeLessThanOrEqual(3);
  });

  it("is not asked for where last uses are noted, and nowhere if it takes none", async () => {
    const { master, store } = await startGroup(2);
    const token = await insertToken(store, newOwner());
    const { store: plain } = await open(master, 0);
    expect(plain.settled).toBe(plain);
    const before = await countCalls(master, "wait");
    await store.noteUses(new Map([[token.id, Date.now()]]), 1);
    await insertToken(plain, token);
    expect(await countCalls(master, "wait")).toBe(before);
  });

  it("ends in time where the master is frozen, and comes again when it goes on", async () => {
    const { master, store } = await startGroup(2);
    const token = await insertToken(store, newOwner());
    master.freeze();
    const begun = performance.now();
    const calls = acknowledged(store, token).map(([, run]) => run());
    const outcomes = await Promise.allSettled(calls);
    expect(performance.now() - begun).toBeLessThan(2000);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { reason: "STORE_UNAVAILABLE" } });
    }
    master.thaw();
    await vi.waitFor(() => insertToken(store, newOwner()), 5000);
  });
});

/** Inserts and removes until the store fails; what was acknowledged is in one of the two sets. */
async function load(store: TokenStore, until: AbortSignal) {
  const living = new Set<string>();
  const deleted = new Set<string>();
  await Promise.all(
    Array.from({ length: 8 }, async (_, writer) => {
      const owner = newOwner(`writer ${writer}`);
      const own: string[] = [];
      while (!until.aborted) {
        try {
          const { id } = await insertToken(store, owner);
          living.add(id);
          own.push(id);
          // The older ones are on the replicas, whatever becomes of their removal.
          const oldest = own.length > 20 ? own.shift() : undefined;
          if (oldest === undefined) continue;
          living.delete(oldest);
          if ((await store.settled.remove(oldest)) === 1) deleted.add(oldest);
        } catch {
          // Not acknowledged: whatever became of it is right. The store may be back in a moment.
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    }),
  );
  return { living, deleted };
}

/** Kills the master in the middle of a load, of which the last part does not reach one replica, and promotes that one. */
async function failOver(replicas: number) {
  const { master, followers, store } = await startGroup(replicas);
  const [{ replica, link }] = followers;
  const end = new AbortController();
  const loading = load(store, end.signal);
  await vi.waitFor(async () => expect(await countCalls(master, "evalsha")).toBeGreaterThan(500), 10_000);
  link.swallowAnswers();
  const lagged = await countCalls(master, "evalsha");
  await vi.waitFor(async () => expect(await countCalls(master, "evalsha")).toBeGreaterThan(lagged + 5), 10_000);
  await new Promise((resolve) => setTimeout(resolve, 300));
  await master.kill();
  link.cut();
  end.abort();
  const { living, deleted } = await loading;
  await replica.admin.replicaof("no", "one");
  const { store: promoted } = await open(replica, 0);
  const count = async (ids: Set<string>) =>
    (await promoted.findMany([...ids])).filter((token) => token !== undefined).length;
  const lost = living.size - (await count(living));
  return { acknowledged: living.size + deleted.size, lost, revived: await count(deleted) };
}

describe("a master that is killed under load, and a replica in its place that lagged behind", {
  timeout: 60_000,
}, () => {
  it("has lost nothing and revived nothing of what was acknowledged, where all replicas are waited for", async () => {
    const { acknowledged, lost, revived } = await failOver(2);
    expect(acknowledged).toBeGreaterThan(50);
    expect({ lost, revived }).toEqual({ lost: 0, revived: 0 });
  });

  it.each([0, 1])("loses acknowledged writes and revives tokens, where %i of two are waited for", async (replicas) => {
    const { lost, revived } = await failOver(replicas);
    expect(lost).toBeGreaterThan(0);
    expect(revived).toBeGreaterThan(0);
  });
});

async function countCalls(server: RedisServer, command: string): Promise<number> {
  const stats = await server.admin.info("commandstats");
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}
