import { expect, onTestFinished, test, vi } from "vitest";
import { parseRedisUrl, type SentinelLocation } from "../../src/store/redis-location.ts";
import { SentinelWatch } from "../../src/store/redis-sentinel-watch.ts";
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
