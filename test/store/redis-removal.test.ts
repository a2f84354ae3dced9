import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { changed, type Token } from "../../src/domain/token.ts";
import { openRedisStore } from "../../src/store/redis.ts";
import { readDoomed, readFamily, readSet, stepsOf } from "../../src/store/redis-families.ts";
import { indexKey } from "../../src/store/redis-keys.ts";
import { type Removal, removeTokens } from "../../src/store/redis-removal.ts";
import { defineScripts, type ScriptedRedis } from "../../src/store/redis-scripts.ts";
import type { TokenStore } from "../../src/store/token-store.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { insertToken, newOwner } from "./tokens.ts";

let server: RedisServer;
let store: TokenStore;
let client: ScriptedRedis;
beforeAll(async () => {
  server = await startRedis();
  store = await openRedisStore({ url: server.url });
  client = defineScripts(new Redis(server.url));
});
afterAll(async () => {
  client.disconnect();
  await store.close();
  await server.stop();
});

describe("a step of a removal", () => {
  let parent: Token;
  let child: Token;
  let plan: Removal;
  beforeEach(async () => {
    parent = await insertToken(store, newOwner(), { label: "x", holdsLabel: true });
    child = await insertToken(store, parent, { parentId: parent.id });
    const family = await readFamily(client, await readDoomed(client, [parent.id], () => true));
    const index = await readSet(client, indexKey(store.shardTag(parent), parent));
    const [step] = stepsOf(family);
    if (!step) throw new Error("there is no step");
    plan = { owner: parent, ...step, index };
  });

  const list = async () => (await store.page({ ...parent, limit: 10 })).map(({ id }) => id).sort();

  it("takes all that it names", async () => {
    expect(await removeTokens(client, plan)).toBe(2);
    expect(await list()).toEqual([]);
    expect(await server.admin.keys(`lk:?:{${store.shardTag(parent)}}:*`)).toEqual([]);
  });

  it.each([
    ["a child has come to one that had some", () => insertToken(store, parent, { parentId: parent.id })],
    ["a child has come to one that had none", () => insertToken(store, parent, { parentId: child.id })],
    ["a child is gone", () => store.remove(child.id)],
    ["one of them has changed", () => store.replace(parent, changed(parent, { active: false }))],
  ])("takes nothing when %s, not even where the index does not matter", async (_, change) => {
    await change();
    const before = await list();
    for (const index of [plan.index, undefined]) expect(await removeTokens(client, { ...plan, index })).toBeUndefined();
    expect(await list()).toEqual(before);
    await expect(insertToken(store, parent, { label: "x", holdsLabel: true })).rejects.toThrow("label-taken");
  });

  it("takes nothing when another token has come, if the index has to be the same", async () => {
    const other = await insertToken(store, parent);
    expect(await removeTokens(client, plan)).toBeUndefined();
    expect(await removeTokens(client, { ...plan, index: undefined })).toBe(2);
    expect(await list()).toEqual([other.id]);
  });

  it("ends a pause of the owner's writes, and only if it is carried out", async () => {
    const pause = `lk:p:{${store.shardTag(parent)}}:${parent.tenant}/alice`;
    await server.admin.set(pause, "", "PX", 900);
    expect(await removeTokens(client, { ...plan, sets: [] })).toBeUndefined();
    expect(await server.admin.exists(pause)).toBe(1);
    expect(await removeTokens(client, plan)).toBe(2);
    expect(await server.admin.exists(pause)).toBe(0);
  });
});
