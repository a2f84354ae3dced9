import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { changed, type Token } from "../../src/domain/token.ts";
import { openRedisStore } from "../../src/store/redis.ts";
import type { Change, TokenStore } from "../../src/store/token-store.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { describeTokenStore } from "./contract.ts";
import { HOUR, insertToken, newOwner, newToken } from "./tokens.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

const open = () => openRedisStore({ url: server.url });

describeTokenStore("the Redis store", open);

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
    await vi.waitFor(() => expect(changes.map((change) => change.type)).toEqual(["changed", "deleted"]));
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

  it("both adopt keys only if they know one of them", async () => {
    expect(await one.adoptKeys(["a", "b"])).toBe(true);
    expect(await two.adoptKeys(["c"])).toBe(false);
    expect(await two.adoptKeys(["c", "b"])).toBe(true);
    expect(await one.adoptKeys(["c"])).toBe(true);
  });
});

describe("a removal of more than one batch", () => {
  it("leaves nothing", async () => {
    const store = await open();
    const owner = newOwner();
    for (let n = 0; n < 10_500; n += 500)
      await Promise.all(Array.from({ length: 500 }, () => insertToken(store, owner)));
    expect(await store.removeAll(owner, () => true)).toBe(10_500);
    expect(await store.page({ ...owner, limit: 1 })).toEqual([]);
    await store.close();
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
    await insertToken(store, parent, { parentId: parent.id });
    const tag = `{${store.shardTag(parent)}}`;
    const keys = await keysOf("?");
    expect(keys.map((key) => key.slice(3, 4)).sort()).toEqual(["c", "k", "l", "n", "s", "t", "t"]);
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
