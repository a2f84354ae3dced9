import { expect, onTestFinished, test, vi } from "vitest";
import { parseRedisUrl, type SentinelLocation } from "../../src/store/redis-location.ts";
import { SentinelWatch } from "../../src/store/redis-sentinel-watch.ts";
import type { RedisNode } from "../support/redis-node.ts";
import { startRedisSentinels } from "../support/redis-sentinel.ts";

test("a new master is heard of once, also from a sentinel that was away when it came", {
  timeout: 60_000,
}, async () => {
  const group = await startRedisSentinels({ pace: "brisk" });
  onTestFinished(() => group.stop());
  const [, , last] = group.sentinels;
  const heard: string[] = [];
  const watch = (name: string, url: string) => {
    const { location } = parseRedisUrl(url);
    const watch = new SentinelWatch(location as SentinelLocation, () => heard.push(name));
    onTestFinished(() => watch.close());
  };
  watch("all", group.url);
  watch("one", `redis+sentinel://127.0.0.1:1,127.0.0.1:${last?.port}/${group.name}`);
  const listeners = async () => {
    const lists = await Promise.all(group.sentinels.map(({ admin }) => admin.call("CLIENT", "LIST", "TYPE", "pubsub")));
    return lists.map((list) => String(list).match(/ cmd=sentinel\|get-master-addr-by-name /g)?.length ?? 0);
  };
  await vi.waitFor(async () => expect(await listeners()).toEqual([1, 1, 2]), 5000);
  await last?.kill();
  await group.failOver();
  await vi.waitFor(() => expect(heard).toEqual(["all"]), 5000);
  await last?.start();
  await vi.waitFor(() => expect(heard).toContain("one"), 15_000);
  await group.untilHealthy();
  expect(heard.filter((name) => name === "one")).toEqual(["one"]);
});

test("a sentinel that knows of the master before only is not believed", { timeout: 60_000 }, async () => {
  const group = await startRedisSentinels({ pace: "brisk" });
  onTestFinished(() => group.stop());
  const [first, second, last] = group.sentinels as [RedisNode, RedisNode, RedisNode];
  const before = await group.master();
  const heard: string[] = [];
  const watch = new SentinelWatch(parseRedisUrl(group.url).location as SentinelLocation, (master) =>
    heard.push(master),
  );
  onTestFinished(() => watch.close());
  await vi.waitFor(async () => expect(String(await last.admin.client("LIST"))).toContain("cmd=sentinel|"), 5000);
  await group.failOver();
  await group.untilHealthy();
  const { port } = await group.master();
  await vi.waitFor(() => expect(heard).toEqual([`127.0.0.1:${port}`]), 5000);
  for (const sentinel of [first, second]) await sentinel.kill();
  await last.admin.call("SENTINEL", "REMOVE", group.name);
  await last.admin.call("SENTINEL", "MONITOR", group.name, before.host, before.port, 2);
  // That takes longer than it is not asked.
  await vi.waitFor(() => expect(watch.isCutOff).toBe(true), 5000);
  expect(heard).toEqual([`127.0.0.1:${port}`]);
});

test("it is cut off where half of the sentinels are silent, until they answer again", { timeout: 60_000 }, async () => {
  const group = await startRedisSentinels({ pace: "brisk" });
  onTestFinished(() => group.stop());
  const [first, second] = group.sentinels as [RedisNode, RedisNode, RedisNode];
  const watch = new SentinelWatch(parseRedisUrl(group.url).location as SentinelLocation, () => {});
  onTestFinished(() => watch.close());
  expect(watch.isCutOff).toBe(false);
  first.freeze();
  second.freeze();
  await vi.waitFor(() => expect(watch.isCutOff).toBe(true), 5000);
  second.thaw();
  await vi.waitFor(() => expect(watch.isCutOff).toBe(false), 5000);
});
