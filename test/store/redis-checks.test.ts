import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { openRedisStore } from "../../src/store/redis.ts";
import { inspectRedis } from "../../src/store/redis-checks.ts";
import type { ScriptedRedis } from "../../src/store/redis-scripts.ts";
import type { Weakness } from "../../src/store/token-store.ts";
import { type RedisServer, type RedisServerOptions, startRedis } from "../support/redis-server.ts";

async function start(options?: RedisServerOptions): Promise<RedisServer> {
  const server = await startRedis(options);
  onTestFinished(() => server.stop());
  return server;
}

const SOUND = { appendonly: "yes", appendfsync: "always" };

function inspect({ admin }: RedisServer, replicas = 0, lead = 0): Promise<Weakness[]> {
  const durability = { replicas, timeout: 100 };
  return inspectRedis(admin as ScriptedRedis, { durability, lead });
}

async function describeWeaknesses(...asked: Parameters<typeof inspect>): Promise<string[]> {
  return (await inspect(...asked)).map(({ description }) => description);
}

describe("a Redis that is set up well", () => {
  it("has no weakness", async () => {
    expect(await inspect(await start({ config: SOUND }))).toEqual([]);
  });

  it("has none with its replicas, whose word is as good as the disk's", async () => {
    const [master, replica] = [
      await start({ config: { appendonly: "yes", "min-replicas-to-write": "1" } }),
      await start(),
    ];
    await replica.admin.replicaof("127.0.0.1", master.port);
    await vi.waitFor(async () => expect(await inspect(master, 1)).toEqual([]), 10_000);
  });
});

describe("a weakness of Redis", () => {
  let server: RedisServer;
  beforeEach(async () => {
    server = await startRedis({ config: SOUND });
  });
  afterEach(() => server.stop());
  const set = (name: string, value: string) => server.admin.config("SET", name, value);

  it("is that it writes nothing to the disk, or snapshots only", async () => {
    await set("appendonly", "no");
    expect(await describeWeaknesses(server)).toEqual([
      "nothing is written to the disk, so a restart loses all tokens: set appendonly to yes",
    ]);
    await set("save", "60 1");
    expect(await describeWeaknesses(server)).toEqual([
      "Redis writes snapshots at most (appendonly is no): a restart forgets what was changed since, and tokens that were deleted live again: set appendonly to yes",
    ]);
  });

  it.each([
    ["everysec", "a second"],
    ["no", "half a minute"],
  ])("is that it forces changes to the disk late (%s), unless replicas have them", async (sync, span) => {
    await set("appendfsync", sync);
    expect(await describeWeaknesses(server)).toEqual([
      `appendfsync is ${sync}: a machine that fails loses acknowledged changes of up to ${span}, deletions among them: set it to always, or have replicas and LATCHKEY_WAIT_REPLICAS`,
    ]);
  });

  it("is that it throws tokens away when memory is full", async () => {
    await set("maxmemory-policy", "allkeys-lru");
    expect(await describeWeaknesses(server)).toEqual([
      "maxmemory-policy is allkeys-lru: a full Redis throws tokens away: set it to noeviction",
    ]);
  });

  it("is that replicas are missing, and that it goes on without them", async () => {
    expect(await describeWeaknesses(server, 2)).toEqual([
      "0 replicas are connected, and LATCHKEY_WAIT_REPLICAS is 2: no change will be acknowledged: start the missing ones, or look at the log of those that lag",
      "min-replicas-to-write is 0: a master that has lost its replicas makes changes that it can't acknowledge: set it to 1 or more",
    ]);
  });

  it("is a replica that nobody waits for", async () => {
    const replica = await start();
    await replica.admin.replicaof("127.0.0.1", server.port);
    const weakness =
      "1 replicas are connected, and LATCHKEY_WAIT_REPLICAS is 0: one that is not waited for may be promoted, and acknowledged changes are lost then, deletions among them: set it to 1";
    await vi.waitFor(async () => expect(await describeWeaknesses(server)).toEqual([weakness]), 10_000);
  });

  it.each([
    [5001, "5 s ahead of"],
    [-61_000, "61 s behind"],
  ])("is a clock that is %i ms away from ours", async (lead, how) => {
    expect(await describeWeaknesses(server, 0, lead)).toEqual([
      `the clock of Redis is ${how} this machine's, and tokens live by that of Redis: have both set by NTP`,
    ]);
    expect(await describeWeaknesses(server, 0, Math.sign(lead) * 5000)).toEqual([]);
  });

  it("in a cluster is what one shard does to the others, and to who reads from it", async () => {
    const node = await start({ cluster: true, config: { ...SOUND, "cluster-allow-reads-when-down": "yes" } });
    expect(await describeWeaknesses(node)).toEqual([
      "cluster-allow-reads-when-down is yes: a master that was replaced may go on to call deleted tokens active: set it to no",
      "cluster-require-full-coverage is yes: where one shard is down, all tokens are out of reach: set it to no",
    ]);
  });

  it("is a user that lacks rights, each of them named, and none changes anything to find that out", async () => {
    await server.admin.acl("SETUSER", "default", "-zscan", "-wait", "-setrange");
    expect(await describeWeaknesses(server)).toEqual([
      "the user lacks rights, so that calls will fail: give it +setrange +zscan and ~lk:* (ACL SETUSER)",
    ]);
    expect((await describeWeaknesses(server, 1))[0]).toContain("+setrange +zscan +wait and");
    expect(await server.admin.dbsize()).toBe(0);
  });
});

it("can't be told of a Redis that does not let us look, which is no weakness", async () => {
  const aclUser = { name: "latchkey", password: "secret" };
  const server = await start({ aclUser });
  const store = await openRedisStore({ url: `redis://latchkey:secret@127.0.0.1:${server.port}` });
  onTestFinished(() => store.close());
  expect(await store.inspect()).toEqual([
    {
      description:
        "the server does not let us read INFO and CONFIG GET, so its settings can't be checked: look at them yourself, or give the user +info +config|get (ACL SETUSER)",
      isCertain: false,
    },
  ]);
});
