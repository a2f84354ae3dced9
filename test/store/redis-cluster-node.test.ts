import { expect, onTestFinished, test, vi } from "vitest";
import { ClusterNode } from "../../src/store/redis-cluster-node.ts";
import { startRedis } from "../support/redis-server.ts";

async function prepare(id?: string): Promise<ClusterNode> {
  const server = await startRedis({ cluster: true });
  onTestFinished(() => server.stop());
  const node = new ClusterNode({ host: "127.0.0.1", port: server.port }, {}, () => {});
  node.id = id;
  node.connect();
  onTestFinished(() => node.close());
  return node;
}

test("a node is used that is known by its id, or not known yet", async () => {
  const node = await prepare();
  await vi.waitFor(() => expect(node.serves).toBe(true));
  expect(await node.run("writer", false, (client) => client.set("a", "b"))).toEqual({ value: "OK" });
  expect(await node.run("reader", false, (client) => client.get("a"))).toEqual({ value: "b" });
});

test("a node of another cluster that has come to its address is not used", async () => {
  const node = await prepare("0".repeat(40));
  const begun = vi.fn();
  expect(await node.run("writer", false, begun)).toMatchObject({
    unsent: { cause: { message: expect.stringContaining("another node has come to this address") } },
  });
  expect(begun).not.toHaveBeenCalled();
  expect(node.serves).toBe(false);
});

test("what fails once it has begun is not said to be unsent", async () => {
  const node = await prepare();
  await vi.waitFor(() => expect(node.serves).toBe(true));
  const step = node.run("writer", false, (client) => client.hset("a", "b", "c").then(() => client.incr("a")));
  await expect(step).rejects.toMatchObject({
    reason: "STORE_UNAVAILABLE",
    cause: { message: expect.stringContaining("WRONGTYPE") },
  });
});
