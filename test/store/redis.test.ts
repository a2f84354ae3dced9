import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { changed, type Token } from "../../src/domain/token.ts";
import { encodeRecord } from "../../src/store/record.ts";
import { openRedisStore } from "../../src/store/redis.ts";
import { childrenKey, indexKey, indexMember, recordKey } from "../../src/store/redis-keys.ts";
import { type Change, REMOVE_BATCH, type TokenStore } from "../../src/store/token-store.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { describeTokenStore, distinct } from "./contract.ts";
import { encodeProtobufRecord, HOUR, insertMany, insertToken, newOwner, newToken, usedAt } from "./tokens.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

const open = () => openRedisStore({ url: server.url });

// Its own writes it tells at once, and again when the news of them comes back.
describeTokenStore("the Redis store", open, 2);

it("removes a token from which so many were made that no command could name them all", {
  timeout: 120_000,
}, async () => {
  const store = await open();
  onTestFinished(() => store.close());
  const parent = await insertToken(store, newOwner());
  const first = newToken(store, parent, { parentId: parent.id });
  await store.insert(first);
  const tag = store.shardTag(parent);
  const count = 130_000;
  // Past the store, which would take minutes for them.
  for (let start = 1; start < count; start += 5_000) {
    const children = Array.from({ length: Math.min(5_000, count - start) }, (_, n) => ({
      ...first,
      id: tag + String(start + n).padStart(16, "0"),
    }));
    await server.admin.mset(children.flatMap((child) => [recordKey(child.id), encodeRecord(child)]));
    await server.admin.zadd(childrenKey(parent.id), ...children.flatMap(({ id }) => ["inf", id]));
    await server.admin.zadd(indexKey(tag, parent), ...children.flatMap((child) => ["1", indexMember(child)]));
  }
  const late = (async () => {
    for (;;) if ((await store.insert(newToken(store, parent, { parentId: parent.id }))) === "parent-gone") return;
  })();
  expect(await store.remove(parent.id)).toBeGreaterThanOrEqual(count + 1);
  await late;
  expect(await store.page({ ...parent, limit: 1 })).toEqual([]);
  expect(await server.admin.exists(recordKey(parent.id), childrenKey(parent.id), indexKey(tag, parent))).toBe(0);
});

it("takes over the records of an earlier Latchkey", async () => {
  const store = await open();
  onTestFinished(() => store.close());
  const expireTime = Date.now() + HOUR;
  const token = await insertToken(store, newOwner(), {
    label: "x",
    holdsLabel: true,
    expireTime,
    purgeTime: expireTime,
  });
  await server.admin.set(recordKey(token.id), encodeProtobufRecord(token), "KEEPTTL");
  expect(await store.find(token.id)).toEqual(token);
  expect(await store.page({ ...token, limit: 2 })).toEqual([token]);
  await store.noteUses(new Map([[token.id, 5]]), 60_000);
  const noted = changed(token, { lastUsedTime: 5 });
  expect(await store.find(token.id)).toEqual(noted);
  await server.admin.set(recordKey(token.id), encodeProtobufRecord(noted), "KEEPTTL");
  await store.noteUses(new Map([[token.id, 6]]), 60_000);
  const next = changed(noted, { active: false });
  expect(await store.replace(noted, next)).toBe("replaced");
  expect(await store.find(token.id)).toEqual(next);
  await server.admin.set(recordKey(token.id), encodeProtobufRecord(next), "KEEPTTL");
  expect(await store.removeAll(token, ({ active }) => !active)).toBe(1);
});

it("lets a damaged record trouble nobody but who asked for it", async () => {
  const store = await open();
  onTestFinished(() => store.close());
  const [good, bad] = (await insertMany(store, newOwner(), 2)) as [Token, Token];
  await server.admin.set(recordKey(bad.id), "damaged");
  const damaged = { reason: "STORE_UNAVAILABLE", message: "a stored record is damaged" };
  await Promise.all([
    expect(store.find(good.id)).resolves.toEqual(good),
    expect(store.find(bad.id)).rejects.toMatchObject(damaged),
    expect(store.findMany([good.id, bad.id])).rejects.toMatchObject(damaged),
    expect(store.findMany([good.id, good.id])).resolves.toEqual([good, good]),
    expect(store.find(good.id)).resolves.toEqual(good),
  ]);
});

describe("two instances on one Redis", () => {
  let one: TokenStore;
  let two: TokenStore;
  beforeAll(async () => {
    [one, two] = await Promise.all([open(), open()]);
  });
  afterAll(() => Promise.all([one.close(), two.close()]));

  it("agree on the tags, see each other's writes, and hear of each other's changes", async () => {
    const changes: Change[] = [];
    const stop = two.subscribe((change) => changes.push(change));
    const token = await insertToken(one, newOwner());
    expect(two.shardTag(token)).toBe(one.shardTag(token));
    expect(await two.find(token.id)).toEqual(token);
    expect(await two.remove(token.id)).toBe(1);
    expect(await one.find(token.id)).toBeUndefined();
    const told = ["changed", "deleted"].map((type) => ({ type, id: token.id }));
    await vi.waitFor(() => expect(distinct(changes)).toEqual(told));
    stop();
  });

  it("spare a token that another switches on while it is being removed for being off", async () => {
    const owner = newOwner();
    const [spared] = await Promise.all([1, 2].map(() => insertToken(one, owner, { active: false })));
    let switched: Promise<string> | undefined;
    // The plan is made of what was read before; the write gets to Redis before the plan does.
    const removed = await one.removeAll(owner, (token) => {
      if (spared && token.id === spared.id) switched ??= one.replace(spared, changed(spared, { active: true }));
      return !token.active;
    });
    expect([await switched, removed]).toEqual(["replaced", 1]);
    expect((await one.find(spared?.id ?? ""))?.active).toBe(true);
  });

  it("let exactly one win: a version, a label, the places under a cap", async () => {
    const owner = newOwner();
    const race = <T>(run: (store: TokenStore, n: number) => Promise<T>) =>
      Promise.all(Array.from({ length: 60 }, (_, n) => run(n % 2 ? one : two, n)));
    const wins = (answers: readonly string[], win: string) => answers.filter((answer) => answer === win).length;
    const fields = { label: "x", holdsLabel: true };
    expect(wins(await race((store) => store.insert(newToken(store, owner, fields))), "inserted")).toBe(1);
    const placed = { kind: "capped", holdsPlace: true };
    expect(wins(await race((store) => store.insert(newToken(store, owner, placed), { cap: 10 })), "inserted")).toBe(10);
    const [token] = (await one.page({ ...owner, limit: 1 })) as [Token];
    const next = changed(token, { usesLeft: 0 });
    expect(wins(await race((store) => store.replace(token, next)), "replaced")).toBe(1);
  });

  it("let exactly one win a claim and a mark, and see each other's names", async () => {
    const owner = newOwner();
    const tag = one.shardTag(owner);
    const until = Date.now() + HOUR;
    const stores = Array.from({ length: 60 }, (_, n) => (n % 2 ? one : two));
    const claims = stores.map((store, n) => store.claim({ tag, name: "claim", value: `value ${n}`, until }));
    const [value, ...others] = new Set(await Promise.all(claims));
    expect(others).toEqual([]);
    for (const store of [one, two]) expect(await store.findClaim(tag, "claim")).toBe(value);
    const mark = { name: "mark", value: "", until };
    const inserts = stores.map((store) => store.insert(newToken(store, owner), { mark }));
    const answers = await Promise.all(inserts);
    expect(answers.filter((answer) => answer === "inserted")).toHaveLength(1);
    expect(answers.filter((answer) => answer === "repeated")).toHaveLength(59);
    await one.addAlias(`alias of ${owner.tenant}`, "id", until);
    expect(await two.findAliases([`alias of ${owner.tenant}`])).toEqual(["id"]);
  });

  it("both adopt keys only if they know one of them", async () => {
    expect(await one.adoptKeys(["a", "b"])).toBe(true);
    expect(await two.adoptKeys(["c"])).toBe(false);
    expect(await two.adoptKeys(["c", "b"])).toBe(true);
    expect(await one.adoptKeys(["c"])).toBe(true);
  });
});

it("removes twice as many tokens with twice as many commands", async () => {
  const store = await open();
  onTestFinished(() => store.close());
  const countCommands = async (tokens: number) => {
    const owner = newOwner();
    await insertMany(store, owner, tokens);
    await server.admin.config("RESETSTAT");
    expect(await store.removeAll(owner, () => true)).toBe(tokens);
    const stats = await server.admin.info("commandstats");
    const calls = [...stats.matchAll(/^cmdstat_(?:zscan|zrange|mget|exists|del|zrem|evalsha):calls=(\d+)/gm)];
    return calls.reduce((sum, [, count]) => sum + Number(count), 0);
  };
  const few = await countCommands(4 * REMOVE_BATCH);
  expect(await countCommands(8 * REMOVE_BATCH)).toBeLessThan(2.3 * few);
});

it("notes the uses of a hundred owners' tokens with one script", async () => {
  const store = await open();
  onTestFinished(() => store.close());
  const tokens = await Promise.all(Array.from({ length: 100 }, () => insertToken(store, newOwner())));
  await server.admin.config("RESETSTAT");
  await store.noteUses(new Map(tokens.map(({ id }) => [id, 1_900_000_000_000])), 60_000);
  const stats = await server.admin.info("commandstats");
  expect(stats).toContain("cmdstat_setrange:calls=100,");
  const scripts = [...stats.matchAll(/^cmdstat_eval(?:sha)?:calls=(\d+)/gm)];
  // Beside it, each connection is checked now and then.
  expect(scripts.reduce((sum, [, count]) => sum + Number(count), 0)).toBeLessThan(20);
});

describe("a cluster of one node", () => {
  it("is no Redis server of its own", async () => {
    const node = await startRedis({ cluster: true });
    onTestFinished(() => node.stop());
    await expect(openRedisStore({ url: node.url })).rejects.toMatchObject({
      reason: "INVALID_REQUEST",
      message: "the Redis server is a node of a cluster, whose location is redis[s]+cluster://…",
    });
  });

  it("carries out every write, each of which stays in one slot", async () => {
    const node = await startRedis({ cluster: true });
    onTestFinished(() => node.stop());
    const store = await openRedisStore({ url: node.url.replace("redis:", "redis+cluster:") });
    onTestFinished(() => store.close());
    const held = { label: "x", holdsLabel: true, holdsPlace: true, purgeTime: Date.now() + HOUR };
    const parent = await insertToken(store, newOwner(), { ...held, kind: "refresh" });
    const child = newToken(store, parent, { ...held, kind: "access", parentId: parent.id });
    const next = changed(parent, { label: "y", purgeTime: undefined });
    const mark = { name: "mark", value: "made", until: Date.now() + HOUR };
    expect(await store.insert(child, { cap: 1, parent: { previous: parent, next }, mark })).toBe("inserted");
    expect(await store.replace(child, changed(child, { label: "z" }), { ...mark, name: "another" })).toBe("replaced");
    expect(await store.claim({ ...mark, tag: store.shardTag(parent) })).toBe("made");
    for (const alias of ["one", "{two}", "three}"]) await store.addAlias(alias, parent.id, undefined);
    expect(await store.findAliases(["one", "{two}", "three}"])).toEqual(Array(3).fill(parent.id));
    const other = await insertToken(store, newOwner());
    await store.noteUses(new Map([parent, child, other].map(({ id }) => [id, Date.now()])), 60_000);
    // A command that reads names one slot only.
    expect((await store.find(child.id))?.version).toBe(3);
    expect((await store.find(other.id))?.version).toBe(2);
    expect(await store.page({ tenant: parent.tenant, limit: 10 })).toHaveLength(2);
    expect(await store.removeAll(parent, () => true)).toBe(2);
  });
});

describe("the keys in Redis", () => {
  let store: TokenStore;
  beforeAll(async () => {
    await server.admin.flushall();
    store = await open();
  });
  afterAll(() => store.close());
  afterEach(async () => {
    const keys = (await server.admin.keys("lk:?:*")) as string[];
    if (keys.length > 0) await server.admin.del(keys);
  });

  const keysOf = async (type: string) => (await server.admin.keys(`lk:${type}:*`)) as string[];
  const onlyKey = async (type: string) => (await keysOf(type))[0] as string;

  it("of one owner share one hash tag", async () => {
    const parent = await insertToken(store, newOwner("{a}:b"), { label: "{x}", holdsLabel: true, holdsPlace: true });
    const mark = { name: "mark}", value: "", until: Date.now() + HOUR };
    expect(await store.insert(newToken(store, parent, { parentId: parent.id }), { mark })).toBe("inserted");
    await store.claim({ ...mark, tag: store.shardTag(parent), name: "{claim}" });
    const tag = `{${store.shardTag(parent)}}`;
    const keys = await keysOf("?");
    expect(keys.map((key) => key.slice(3, 4)).sort()).toEqual(["c", "k", "l", "n", "r", "r", "s", "t", "t"]);
    for (const key of keys) expect(/\{(.*?)\}/.exec(key)?.[0]).toBe(tag);
  });

  it("are all gone after the removal of the last token", async () => {
    const parent = await insertToken(store, newOwner(), { label: "x", holdsLabel: true, holdsPlace: true });
    await insertToken(store, parent, { parentId: parent.id, holdsPlace: true });
    await store.remove(parent.id);
    expect(await keysOf("?")).toEqual([]);
  });

  it("live as long as the last token they name, and for ever only with a permanent one", async () => {
    const owner = newOwner();
    const parent = await insertToken(store, owner, { purgeTime: Date.now() + 9 * HOUR });
    const times = { expireTime: Date.now() + HOUR, purgeTime: Date.now() + 2 * HOUR };
    await insertToken(store, owner, { ...times, parentId: parent.id, holdsPlace: true, holdsLabel: true, label: "x" });
    const hours = async (type: string) => Math.round((await server.admin.pttl(await onlyKey(type))) / HOUR);
    expect(await Promise.all(["s", "n", "c", "k", "l"].map(hours))).toEqual([9, 9, 2, 1, 1]);
    const permanent = await insertToken(store, owner);
    expect(await server.admin.pttl(await onlyKey("s"))).toBe(-1);
    expect(await server.admin.pttl(await onlyKey("n"))).toBe(-1);
    await store.replace(permanent, changed(permanent, { purgeTime: Date.now() + 20 * HOUR }));
    expect(await Promise.all(["s", "n"].map(hours))).toEqual([20, 20]);
    const other = await insertToken(store, owner);
    await store.remove(other.id);
    expect(await Promise.all(["s", "n"].map(hours))).toEqual([20, 20]);
  });

  it("follow a token whose end moves, and name it once", async () => {
    const parent = await insertToken(store, newOwner(), { purgeTime: Date.now() + HOUR });
    const times = { createTime: Date.now(), idleTimeout: HOUR, purgeTime: Date.now() + 2 * HOUR };
    const held = { label: "x", holdsLabel: true, holdsPlace: true, parentId: parent.id };
    let token = await insertToken(store, parent, { ...times, ...held });
    for (let hours = 1; hours <= 20; hours++) {
      const next = usedAt(token, times.createTime + hours * HOUR);
      expect(await store.replace(token, next)).toBe("replaced");
      token = next;
    }
    const hours = async (type: string) => Math.round((await server.admin.pttl(await onlyKey(type))) / HOUR);
    expect(await Promise.all(["s", "n", "c", "k", "l"].map(hours))).toEqual([22, 22, 22, 21, 21]);
    const sizes = ["s", "n", "c", "k"].map(async (type) => server.admin.zcard(await onlyKey(type)));
    expect(await Promise.all(sizes)).toEqual([2, 1, 1, 1]);
    expect(await store.remove(parent.id)).toBe(2);
    expect(await keysOf("?")).toEqual([]);
  });

  it("of claims, marks and aliases hold plain texts that end by themselves", async () => {
    const token = newToken(store, newOwner());
    const tag = store.shardTag(token);
    const mark = { name: "mark", value: "made", until: Date.now() + HOUR };
    await store.insert(token, { mark });
    await store.claim({ tag, name: "claim", value: "claimed", until: Date.now() + 2 * HOUR });
    await store.addAlias("brief", token.id, Date.now() + 3 * HOUR);
    await store.addAlias("lasting", token.id, undefined);
    const names = [`lk:r:{${tag}}:mark`, `lk:r:{${tag}}:claim`, "lk:a:brief", "lk:a:lasting"];
    const hours = async (key: string) => Math.round((await server.admin.pttl(key)) / HOUR);
    expect(await server.admin.mget(names)).toEqual(["made", "claimed", token.id, token.id]);
    expect(await Promise.all(names.slice(0, 3).map(hours))).toEqual([1, 2, 3]);
    expect(await server.admin.pttl("lk:a:lasting")).toBe(-1);
    expect((await keysOf("[ra]")).sort()).toEqual(names.toSorted());
  });

  it("of an index lose their dead members by and by with each insert and each list", async () => {
    const owner = newOwner();
    const purgeTime = Date.now() + 100;
    await Promise.all(Array.from({ length: 30 }, () => insertToken(store, owner, { purgeTime })));
    const kept = await insertToken(store, owner);
    await vi.waitFor(async () => expect(await keysOf("t")).toHaveLength(1), 3000);
    expect(await server.admin.zcard(await onlyKey("s"))).toBe(31);
    expect(await store.page({ ...owner, limit: 100 })).toEqual([kept]);
    expect(await server.admin.zcard(await onlyKey("s"))).toBe(1);
  });

  it("forget dead tokens by inserts alone", async () => {
    const owner = newOwner();
    await insertToken(store, owner);
    await Promise.all(Array.from({ length: 100 }, () => insertToken(store, owner, { purgeTime: Date.now() + 50 })));
    // A member tells its death in whole seconds.
    await vi.waitFor(async () => {
      await insertToken(store, owner, { purgeTime: Date.now() + 50 });
      expect(await server.admin.zcard(await onlyKey("s"))).toBeLessThan(60);
    }, 5000);
  });
});
