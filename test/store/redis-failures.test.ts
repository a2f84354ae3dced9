import { afterEach, describe, expect, it, vi } from "vitest";
import { changed, type Token } from "../../src/domain/token.ts";
import { openRedisStore } from "../../src/store/redis.ts";
import type { StoreEvent, StoreListener } from "../../src/store/store-events.ts";
import type { Change, TokenStore } from "../../src/store/token-store.ts";
import { startProxy } from "../support/proxy.ts";
import { type RedisServer, type RedisServerOptions, startRedis } from "../support/redis-server.ts";
import { HOUR, insertToken, newOwner, newToken } from "./tokens.ts";

const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of cleanup.splice(0).reverse()) await end();
});

async function start(options?: RedisServerOptions): Promise<RedisServer> {
  const server = await startRedis(options);
  cleanup.push(() => server.stop());
  return server;
}

async function open(url: string, tls?: RedisServer["tls"], listener?: StoreListener): Promise<TokenStore> {
  const store = await openRedisStore({ url, tls, listener });
  cleanup.push(() => store.close());
  return store;
}

/** Every kind of operation answers UNAVAILABLE with a delay, within 2 seconds. */
async function expectUnavailable(operations: Promise<unknown>[]): Promise<void> {
  const start = performance.now();
  const outcomes = await Promise.allSettled(operations);
  expect(performance.now() - start).toBeLessThan(2000);
  for (const outcome of outcomes) {
    expect(outcome).toMatchObject({
      status: "rejected",
      reason: { name: "TokenError", code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE", retryDelay: expect.any(Number) },
    });
  }
}

async function prepare(options?: RedisServerOptions) {
  const server = await start(options);
  const store = await open(server.url);
  const token = await insertToken(store, newOwner());
  const tag = store.shardTag(token);
  const claim = { tag, name: "claim", value: "claimed", until: Date.now() + HOUR };
  const mark = { ...claim, name: "mark" };
  const parent = { previous: token, next: changed(token, { active: false }) };
  const writes = () => [
    store.insert(newToken(store, token)),
    store.insert(newToken(store, token, { parentId: token.id }), { parent, mark }),
    store.replace(token, changed(token, { active: false })),
    store.replace(token, changed(token, { active: false }), mark),
    store.claim(claim),
    store.addAlias("alias", token.id, undefined),
    store.addAlias("brief alias", token.id, Date.now() + HOUR),
    store.remove(token.id),
    store.removeAll(token, () => true),
    store.adoptKeys(["a"]),
  ];
  const reads = () => [
    store.find(token.id),
    store.findMany([token.id]),
    store.findClaim(tag, "claim"),
    store.findAliases(["alias"]),
    store.page({ ...token, limit: 1 }),
    store.ping(),
  ];
  const expectHealthy = () => vi.waitFor(async () => expect(await store.find(token.id)).toEqual(token), 5000);
  return { server, store, token, claim, mark, parent, reads, writes, expectHealthy };
}

describe("a Redis that fails", () => {
  it("killed, is unavailable, and serves again after its restart with all that was acknowledged", async () => {
    const { server, store, token, claim, reads, writes, expectHealthy } = await prepare({
      config: { appendonly: "yes", appendfsync: "always" },
    });
    await store.claim(claim);
    await store.addAlias("alias", token.id, undefined);
    await server.kill();
    await expectUnavailable([...reads(), ...writes()]);
    await server.start();
    await expectHealthy();
    await vi.waitFor(() => store.ping(), 3000);
    expect(await store.claim({ ...claim, value: "another" })).toBe(claim.value);
    expect(await store.findAliases(["alias"])).toEqual([token.id]);
    expect(await store.remove(token.id)).toBe(1);
    await server.kill();
    await server.start();
    await vi.waitFor(async () => expect(await store.find(token.id)).toBeUndefined(), 3000);
  });

  it("frozen, is unavailable within 2 seconds, and serves again when it goes on", async () => {
    const { server, reads, expectHealthy } = await prepare();
    server.freeze();
    await expectUnavailable(reads());
    await expectUnavailable(reads());
    server.thaw();
    await expectHealthy();
  });

  it("frozen during writes, does not carry out later what was refused after it was known to be lost", async () => {
    const { server, store, token, claim, mark, writes, expectHealthy } = await prepare();
    server.freeze();
    await expectUnavailable([store.ping()]);
    await expectUnavailable(writes());
    server.thaw();
    await expectHealthy();
    expect(await store.page({ ...token, limit: 10 })).toEqual([token]);
    for (const { tag, name } of [claim, mark]) expect(await store.findClaim(tag, name)).toBeUndefined();
    expect(await store.findAliases(["alias", "brief alias"])).toEqual([undefined, undefined]);
  });

  it("turned into a replica, is unavailable for reads too, because it may be behind", async () => {
    const { server, store, reads, writes, expectHealthy } = await prepare();
    await server.admin.replicaof("127.0.0.1", "1");
    await expectUnavailable(writes());
    await vi.waitFor(() => expect(store.ping()).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" }), 3000);
    await vi.waitFor(() => expectUnavailable(reads()), 3000);
    await server.admin.replicaof("no", "one");
    await expectHealthy();
  });

  it("out of memory, refuses new tokens but still reads, switches and deletes", async () => {
    const { server, store, token, claim, mark, parent } = await prepare();
    await store.claim({ ...claim, name: "earlier" });
    await server.admin.config("SET", "maxmemory", "1");
    const child = newToken(store, token, { parentId: token.id });
    await expectUnavailable([
      store.insert(newToken(store, token)),
      store.insert(child, { parent, mark }),
      store.claim(claim),
      store.addAlias("alias", token.id, undefined),
    ]);
    expect(await store.findMany([token.id, child.id])).toEqual([token, undefined]);
    expect(await store.findClaim(claim.tag, mark.name)).toBeUndefined();
    expect(await store.findClaim(claim.tag, "earlier")).toBe(claim.value);
    expect(await store.replace(token, parent.next)).toBe("replaced");
    expect(await store.remove(token.id)).toBe(1);
    await server.admin.config("SET", "maxmemory", "0");
    expect(await store.insert(token)).toBe("inserted");
  });

  it("forgetting its scripts, is taught them again", async () => {
    const { server, store, token } = await prepare();
    await server.admin.script("FLUSH");
    const next = changed(token, { active: false });
    expect(await store.replace(token, next)).toBe("replaced");
    await server.admin.script("FLUSH");
    const answers = await Promise.all(Array.from({ length: 20 }, () => store.insert(newToken(store, token))));
    expect(new Set(answers)).toEqual(new Set(["inserted"]));
  });

  it("losing all data to another installation, is not used any more", async () => {
    const { server, store, reads } = await prepare();
    await server.admin.flushall();
    await server.admin.hset("lk:meta", "shard_key", "00".repeat(32));
    await vi.waitFor(() => expectUnavailable(reads()), 4000);
    await expect(store.ping()).rejects.toMatchObject({
      cause: { message: expect.stringContaining("the data was replaced") },
    });
  });

  it("cutting its connections, tells listeners to forget all, and tells changes again afterwards", async () => {
    const { server, store, token } = await prepare();
    const changes: Change[] = [];
    store.subscribe((change) => {
      if (change.type !== "changed") changes.push(change);
    });
    await server.admin.call("CLIENT", "KILL", "TYPE", "pubsub");
    await vi.waitFor(() => expect(changes).toEqual([{ type: "reset" }, { type: "reset" }]), 3000);
    await store.remove(token.id);
    await vi.waitFor(() => expect(changes.at(-1)).toEqual({ type: "deleted", id: token.id }), 3000);
  });

  it("keeping its messages to itself, tells listeners what this instance has written nevertheless", async () => {
    const { server } = await prepare();
    const proxy = await startProxy(server.port);
    cleanup.push(async () => proxy.close());
    const store = await open(`redis://127.0.0.1:${proxy.port}`);
    proxy.dropMessages();
    const changes: Change[] = [];
    store.subscribe((change) => changes.push(change));
    const told = () => changes.splice(0);
    const tells = (type: "changed" | "deleted", ...tokens: Token[]) => tokens.map(({ id }) => ({ type, id }));

    const parent = newToken(store, newOwner());
    const [child, other] = [newToken(store, parent, { parentId: parent.id }), newToken(store, parent)];
    await store.insert(parent);
    expect(told()).toEqual(tells("changed", parent));
    const mark = { name: "mark", value: "", until: Date.now() + HOUR };
    const change = { mark, parent: { previous: parent, next: changed(parent, {}) } };
    // Repeated, it may be an earlier one whose answer was lost.
    for (const answer of ["inserted", "repeated"]) {
      expect(await store.insert(child, change)).toBe(answer);
      expect(told()).toEqual(tells("changed", parent, child));
    }
    await store.insert(other);
    await store.replace(other, changed(other, { active: false }));
    expect(told()).toEqual(tells("changed", other, other));
    await store.remove(parent.id);
    expect(told()).toEqual(expect.arrayContaining(tells("deleted", parent, child)));
    await store.removeAll(other, () => true);
    expect(told()).toEqual(tells("deleted", other));
    expect(await store.replace(other, changed(other, {}))).toBe("conflict");
    expect(told()).toEqual([]);
  });

  it("losing the answers to writes, tells listeners that these may have been made", async () => {
    const { server } = await prepare();
    const proxy = await startProxy(server.port);
    cleanup.push(async () => proxy.close());
    const store = await open(`redis://127.0.0.1:${proxy.port}`);
    const tokens = await Promise.all(Array.from({ length: 3 }, () => insertToken(store, newOwner())));
    const [replaced, removed, emptied] = tokens as [Token, Token, Token];
    const inserted = newToken(store, newOwner());
    const changes: Change[] = [];
    store.subscribe((change) => changes.push(change));
    const writes: [token: Token, write: () => Promise<unknown>][] = [
      [inserted, () => store.insert(inserted)],
      [replaced, () => store.replace(replaced, changed(replaced, { active: false }))],
      [removed, () => store.remove(removed.id)],
      [emptied, () => store.removeAll(emptied, () => true)],
    ];
    proxy.dropMessages();
    for (const [{ id }, write] of writes) {
      await vi.waitFor(() => store.ping(), 3000);
      proxy.swallowAnswersTo(new RegExp(`\\beval[^]*${id}`));
      await expectUnavailable([write()]);
      expect(changes).toContainEqual({ type: "changed", id });
    }
  });

  it("with another password than before, is unavailable, says why, and serves again with the old one", async () => {
    const server = await start({ password: "old-word" });
    const events: StoreEvent[] = [];
    const store = await open(server.url, undefined, (event) => events.push(event));
    await server.admin.config("SET", "requirepass", "new-word");
    await server.admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await server.admin.call("CLIENT", "KILL", "TYPE", "pubsub");
    await vi.waitFor(
      () => expect(events.map((event) => "cause" in event && event.cause).join()).toContain("WRONGPASS"),
      3000,
    );
    await expectUnavailable([store.find("x"), store.ping(), store.insert(newToken(store, newOwner()))]);
    await server.admin.config("SET", "requirepass", "old-word");
    await vi.waitFor(() => expect(events.at(-1)?.type).toBe("back"), 5000);
    await store.ping();
    expect(JSON.stringify(events)).not.toMatch(/old-word|new-word/);
  });

  it("for long, is told of as one outage, however many calls it meets", async () => {
    const server = await start();
    const events: StoreEvent[] = [];
    const store = await open(server.url, undefined, (event) => events.push(event));
    await server.kill();
    for (let round = 0; round < 20; round++) {
      await Promise.allSettled(Array.from({ length: 50 }, (_, n) => store.find(`${round} ${n}`)));
    }
    await vi.waitFor(() => expect(JSON.stringify(events)).toContain("ECONNREFUSED"), 3000);
    await server.start();
    await vi.waitFor(() => expect(events.at(-1)?.type).toBe("back"), 5000);
    const lost = events.slice(0, -1);
    expect(new Set(lost.map(({ type }) => type))).toEqual(new Set(["lost"]));
    expect(lost.length).toBeLessThanOrEqual(4);
  });

  it("frozen under very many calls, takes on so many and refuses the others at once", async () => {
    const { server, store, expectHealthy } = await prepare();
    server.freeze();
    const begun = performance.now();
    const waits: number[] = [];
    const errors = await Promise.all(
      Array.from({ length: 30_000 }, (_, n) =>
        store.find(`some id ${n}`).catch((error: unknown) => {
          waits.push(performance.now() - begun);
          return error as { cause?: Error };
        }),
      ),
    );
    const refused = errors.filter((error) => error && "cause" in error && error.cause?.message.includes("calls wait"));
    expect(refused.length).toBeGreaterThanOrEqual(20_000);
    expect(waits.sort((a, b) => a - b)[15_000]).toBeLessThan(700);
    expect(waits.at(-1)).toBeLessThan(3000);
    server.thaw();
    await expectHealthy();
  });

  it("reads on through a connection that is cut", async () => {
    const { server, store, token } = await prepare();
    await server.admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    expect(await Promise.all(Array.from({ length: 20 }, () => store.find(token.id)))).toEqual(Array(20).fill(token));
  });

  it("never runs a write twice when its answer is lost", async () => {
    const { server, store: direct } = await prepare();
    const proxy = await startProxy(server.port);
    cleanup.push(async () => proxy.close());
    const store = await open(`redis://127.0.0.1:${proxy.port}`);
    const token = newToken(store, newOwner());
    proxy.swallowAnswers();
    await expectUnavailable([store.insert(token)]);
    expect(await direct.find(token.id)).toEqual(token);
    expect(await direct.remove(token.id)).toBe(1);
    proxy.passAnswers();
    await vi.waitFor(() => store.ping(), 3000);
    expect(await store.find(token.id)).toBeUndefined();
  });
});

describe("signing in to Redis", () => {
  it("works with a password, a database number, an ACL user, and percent-encoded names", async () => {
    const aclUser = { name: "latchkey", password: "p@ss:w/rd" };
    const server = await start({ password: "s%cret/", aclUser });
    const user = `latchkey:${encodeURIComponent(aclUser.password)}`;
    for (const url of [server.url, `${server.url}/3`, `redis://${user}@127.0.0.1:${server.port}`]) {
      const store = await open(url);
      const token = await insertToken(store, newOwner());
      expect(await store.remove(token.id)).toBe(1);
      await store.ping();
    }
  });

  it("works over TLS with the given authority and a client's certificate, and not without them", async () => {
    const server = await start({ tls: true });
    const store = await open(server.url, server.tls);
    const token = await insertToken(store, newOwner());
    expect(await store.find(token.id)).toEqual(token);
    await expectUnavailable([openRedisStore({ url: server.url })]);
    await expectUnavailable([openRedisStore({ url: server.url.replace("rediss", "redis") })]);
  });

  it("fails fast with a clear error that holds no password", async () => {
    const server = await start({ password: "right" });
    const address = `127.0.0.1:${server.port}`;
    for (const [url, problem] of [
      [`redis://:wrong-secret@${address}`, "WRONGPASS"],
      [`redis://nobody:wrong-secret@${address}`, "WRONGPASS"],
      [`redis://${address}`, "NOAUTH"],
      ["redis://:wrong-secret@127.0.0.1:1", "ECONNREFUSED"],
    ] as const) {
      const start = performance.now();
      const error = await openRedisStore({ url }).catch((error: unknown) => error);
      expect(performance.now() - start).toBeLessThan(1000);
      expect(error).toMatchObject({
        reason: "STORE_UNAVAILABLE",
        cause: { message: expect.stringContaining(problem) },
      });
      expect(error).toMatchObject({ cause: { message: expect.stringContaining(new URL(url).host) } });
      expect(JSON.stringify([error, (error as Error).cause, (error as Error).stack])).not.toContain("wrong-secret");
    }
  });

  it("refuses a replica", async () => {
    const server = await start();
    await server.admin.replicaof("127.0.0.1", "1");
    await expect(openRedisStore({ url: server.url })).rejects.toMatchObject({
      cause: { message: expect.stringContaining("READONLY") },
    });
  });
});
