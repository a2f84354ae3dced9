import { expect, onTestFinished, test } from "vitest";
import { openRedisStore } from "../../src/store/redis.ts";
import { startRedis } from "../support/redis-server.ts";
import { insertToken, newOwner } from "./tokens.ts";

test("lists of whole tenants, however many are asked for at once, keep nobody from being answered", {
  timeout: 60_000,
}, async () => {
  const server = await startRedis();
  onTestFinished(() => server.stop());
  const store = await openRedisStore({ url: server.url });
  onTestFinished(() => store.close());
  const token = await insertToken(store, newOwner());
  let left = 60;
  const lists = Array.from({ length: left }, () =>
    store.page({ tenant: token.tenant, limit: 2 }).finally(() => left--),
  );
  const outcomes = Promise.allSettled(lists);
  let finds = 0;
  for (; left > 0; finds++) expect(await store.find(token.id)).toEqual(token);
  // Some in each turn of the lists.
  expect(finds).toBeGreaterThan(50);
  const refused = (await outcomes).flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
  expect(refused).toHaveLength(60 - 32);
  for (const reason of refused) expect(reason).toMatchObject({ reason: "STORE_UNAVAILABLE", retryDelay: 500 });
  for (const outcome of await outcomes) if (outcome.status === "fulfilled") expect(outcome.value).toEqual([token]);
});
