import { expect, onTestFinished, test, vi } from "vitest";
import { ClusterMembers } from "../../src/store/redis-cluster-members.ts";
import { RedisOutages } from "../../src/store/redis-outages.ts";
import type { StoreEvent } from "../../src/store/store-events.ts";
import { startRedis } from "../support/redis-server.ts";

test("another cluster that has come to the addresses of ours is not taken for it", async () => {
  const server = await startRedis({ cluster: true });
  onTestFinished(() => server.stop());
  const events: StoreEvent[] = [];
  const location = { seeds: [{ host: "127.0.0.1", port: server.port }], access: {} };
  const outages = new RedisOutages((event) => events.push(event));
  const members = new ClusterMembers(location, { durability: undefined, outages });
  onTestFinished(() => members.close());
  await members.open();
  const node = members.holder(16_383);
  expect(node?.serves).toBe(true);
  // It gets another id, and holds the same slots again.
  await server.admin.call("CLUSTER", "RESET", "HARD");
  await server.admin.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
  await vi.waitFor(() => expect(node?.serves).toBe(false), 3000);
  await vi.waitFor(async () => {
    await expect(members.refresh()).rejects.toMatchObject({
      reason: "STORE_UNAVAILABLE",
      cause: { message: `another cluster has come to 127.0.0.1:${server.port}` },
    });
  }, 5000);
  expect(events).toContainEqual({ type: "lost", cause: `another cluster has come to 127.0.0.1:${server.port}` });
});
