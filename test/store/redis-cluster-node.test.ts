import { expect, onTestFinished, test, vi } from "vitest";
import { ClusterNode } from "../../src/store/redis-cluster-node.ts";
import { RedisOutages } from "../../src/store/redis-outages.ts";
import type { ScriptedRedis } from "../../src/store/redis-scripts.ts";
import { startRedis } from "../support/redis-server.ts";

async function prepare(id?: string): Promise<ClusterNode> {
  const server = await startRedis({ cluster: true });
  onTestFinished(() => server.stop());
  const node = new ClusterNode(
    { host: "127.0.0.1", port: server.port },
    {},
    { durability: undefined, outages: new RedisOutages() },
    () => {},
  );
  node.id = id;
  node.connect();
  onTestFinished(() => node.close());
  return node;
}

test("a node is used that is known by its id, or not known yet", async () => {
  const node = await prepare();
  await vi.waitFor(() => expect(node.serves).toBe(true));
  expect(await node.run({ manner: "note", key: "a", run: (client) => client.set("a", "b") }, false)).toEqual({
    value: "OK",
  });
  expect(await node.run({ manner: "read", key: "a", run: (client) => client.get("a") }, false)).toEqual({ value: "b" });
});

test("a node of another cluster that has come to its address is not used", async () => {
  const node = await prepare("0".repeat(40));
  const begun = vi.fn();
  expect(await node.run({ manner: "note", key: "a", run: begun }, false)).toMatchObject({
    unsent: { cause: { message: expect.stringContaining("another node has come to this address") } },
  });
  expect(begun).not.toHaveBeenCalled();
  expect(node.serves).toBe(false);
});

test("what fails once it has begun is not said to be unsent", async () => {
  const node = await prepare();
  await vi.waitFor(() => expect(node.serves).toBe(true));
  const run = (client: ScriptedRedis) => client.hset("a", "b", "c").then(() => client.incr("a"));
  const step = node.run({ manner: "settle", key: "a", run }, false);
  await expect(step).rejects.toMatchObject({
    reason: "STORE_UNAVAILABLE",
    cause: { message: expect.stringContaining("WRONGTYPE") },
  });
});
