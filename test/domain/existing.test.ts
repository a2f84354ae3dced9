import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Context } from "../../src/domain/context.ts";
import { findLiveToken } from "../../src/domain/existing.ts";
import { deleteToken } from "../../src/domain/revoke.ts";
import { openRedisStore } from "../../src/store/redis.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { DAY, HOUR, kindOf, openWorld, root, tokenOf, type World } from "./world.ts";

const only = kindOf({ reuse: true });
const owner = { tenant: "acme", subject: "ada" };

describe("the token that holds the one place", () => {
  test("is found behind many others", async () => {
    const { context, issue } = await openWorld(only);
    const { token } = await issue({ kind: "test" });
    for (let index = 0; index < 250; index++) await issue();
    expect((await findLiveToken(context, owner, only))?.id).toBe(token.id);
  });

  test("is not there if its owner has none that is live and holds it", async () => {
    const { context, issue, pass } = await openWorld(only);
    expect(await findLiveToken(context, owner, only)).toBeUndefined();
    await issue({ kind: "test", subject: "bob" });
    await issue({ kind: "personal" });
    // Made while the kind allowed many.
    const id = `${context.store.shardTag(owner)}0000000000000001`;
    await context.store.insert(tokenOf({ id, kind: "test", holdsPlace: false, expireTime: undefined }));
    expect(await findLiveToken(context, owner, only)).toBeUndefined();
    const { token } = await issue({ kind: "test", lifetime: { type: "ttl", duration: HOUR } });
    expect((await findLiveToken(context, owner, only))?.id).toBe(token.id);
    pass(HOUR);
    expect(await findLiveToken(context, owner, only)).toBeUndefined();
  });
});

describe.each(["SQLite", "Redis"])("of fifty who ask at the same moment, on %s,", (name) => {
  let redis: RedisServer | undefined;
  beforeAll(async () => {
    if (name === "Redis") redis = await startRedis();
  });
  afterAll(() => redis?.stop());

  async function open(): Promise<World & { readonly by: Context }> {
    const world = await openWorld(only);
    if (!redis) return { ...world, by: world.context };
    const store = await openRedisStore({ url: redis.url });
    onTestFinished(() => store.close());
    // Redis goes by its own clock.
    return { ...world, by: { ...world.context, store, clock: () => Date.now() } };
  }

  test("one gets the secret, and all the same record; when it is gone, so it is again", async () => {
    const { issue, by } = await open();
    let before = "";
    for (let round = 0; round < 3; round++) {
      const wish = { kind: "test", lifetime: { type: "ttl", duration: DAY } } as const;
      const issued = await Promise.all(Array.from({ length: 50 }, () => issue(wish, root, by)));
      const [id = "", ...others] = new Set(issued.map(({ token }) => token.id));
      expect(others).toEqual([]);
      expect(id).not.toBe(before);
      expect(issued.filter(({ secret }) => secret !== "")).toHaveLength(1);
      expect(await by.store.page({ ...owner, limit: 10 })).toHaveLength(1);
      await deleteToken(by, root, { id });
      before = id;
    }
  });

  test("and of ten who delete it at once, each gets an answer", async () => {
    const { issue, by } = await open();
    const create = async () => {
      const { token } = await issue({ kind: "test" }, root, by);
      await deleteToken(by, root, { id: token.id }).catch(() => 0);
      return token.kind;
    };
    expect(new Set(await Promise.all(Array.from({ length: 10 }, create)))).toEqual(new Set(["test"]));
  });
});
