import { StatementSync } from "node:sqlite";
import type { Client } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { verdictOf } from "../support/answers.ts";
import { useKinds } from "../support/kinds.ts";
import { startProxy, type TcpProxy } from "../support/proxy.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { startService } from "../support/service.ts";
import { onSqlite, outcomeOf, refusalOf } from "./world.ts";

type Root = Client<typeof TokenService>;

const LOST = "Unavailable STORE_UNAVAILABLE";

const variables = useKinds();

/** Tokens, one for each call that changes one. */
async function prepare(root: Root, tenant: string) {
  const make = async (subject: string, kind: string) => {
    const { token, secret } = await root.create({ tenant, subject, kind });
    return { id: token?.id as string, handle: { case: "id", value: token?.id as string } as const, secret };
  };
  const [deleted, off, rotated, link, one, rotating] = [
    await make("ada", "service"),
    await make("ada", "service"),
    await make("ada", "service"),
    await make("ada", "link"),
    await make("ada", "link"),
    await make("ada", "rotating"),
  ];
  const all = await make("eve", "service");
  const calls: Record<string, () => Promise<unknown>> = {
    Delete: () => root.delete({ token: deleted.handle }),
    "Delete by secret": () => root.delete({ token: { case: "secret", value: deleted.secret } }),
    DeleteAll: () => root.deleteAll({ tenant, subject: "eve" }),
    "DeleteAll of the tenant": () => root.deleteAll({ tenant, allSubjects: true }),
    SetActive: () => root.setActive({ token: off.handle, active: false }),
    Rotate: () => root.rotate({ token: rotated.handle }),
    "Exchange of a link": () => root.exchange({ secret: link.secret }),
    "Exchange of a rotating token": () => root.exchange({ secret: rotating.secret }),
    "the use of a link": () => root.introspect({ secret: one.secret }),
    Create: () => root.create({ tenant, subject: "new", kind: "service" }),
  };
  const secrets = [deleted, off, rotated, link, one, rotating, all].map(({ secret }) => secret);
  return { calls, secrets };
}

/** All are refused, and none answers in more time than a store may take. */
async function expectLost(calls: Record<string, () => Promise<unknown>>): Promise<void> {
  const begin = performance.now();
  const outcomes = await Promise.all(
    Object.entries(calls).map(async ([name, call]) => [name, await outcomeOf(call())]),
  );
  expect(Object.fromEntries(outcomes)).toEqual(Object.fromEntries(Object.keys(calls).map((name) => [name, LOST])));
  expect(performance.now() - begin).toBeLessThan(4000);
}

async function judgeAll(root: Root, secrets: readonly string[]): Promise<string[]> {
  const { responses } = await root.batchIntrospect({ requests: secrets.map((secret) => ({ secret, peek: true })) });
  return responses.map(verdictOf);
}

/** As it was before: nothing was deleted, changed or made. */
async function expectUntouched(root: Root, tenant: string, secrets: readonly string[]): Promise<void> {
  expect(await judgeAll(root, secrets)).toEqual(secrets.map(() => "ACTIVE"));
  const { tokens } = await root.list({ tenant });
  expect(tokens).toHaveLength(secrets.length);
  expect(new Set(tokens.map(({ etag }) => etag))).toEqual(new Set(["1"]));
}

/** What is called again now has its effect. */
async function expectCarriedOut(root: Root, calls: Record<string, () => Promise<unknown>>, secrets: readonly string[]) {
  for (const name of [
    "Delete",
    "DeleteAll",
    "SetActive",
    "Rotate",
    "Exchange of a link",
    "the use of a link",
    "Exchange of a rotating token",
  ]) {
    expect(await outcomeOf((calls[name] as () => Promise<unknown>)()), name).toBe("ok");
  }
  expect(await judgeAll(root, secrets)).toEqual([
    "UNKNOWN",
    "INACTIVE",
    "SPENT",
    "EXHAUSTED",
    "EXHAUSTED",
    "SPENT",
    "UNKNOWN",
  ]);
}

describe("on Redis, no call that could not write answers success", () => {
  let redis: RedisServer;
  let proxy: TcpProxy;
  let root: Root;
  beforeEach(async () => {
    redis = await startRedis({ config: { appendonly: "yes", appendfsync: "always" } });
    proxy = await startProxy(redis.port);
    const service = await startService({ ...variables(), LATCHKEY_STORE: `redis://127.0.0.1:${proxy.port}` });
    root = service.client();
    return async () => {
      await service.close();
      proxy.close();
      await redis.stop();
    };
  });

  // Writes and reads have a connection each, and each comes back by itself.
  const untilServing = () =>
    vi.waitFor(async () => {
      await root.create({ kind: "service", subject: "probe", tenant: "probe" });
      await root.list({ tenant: "probe" });
    }, 5000);

  const FAILURES: [how: string, fail: () => unknown, mend: () => unknown][] = [
    ["it is killed", () => redis.kill(), () => redis.start()],
    ["it became a replica", () => redis.admin.replicaof("127.0.0.1", "1"), () => redis.admin.replicaof("no", "one")],
    [
      "it has too few replicas to write",
      () => redis.admin.config("SET", "min-replicas-to-write", "1"),
      () => redis.admin.config("SET", "min-replicas-to-write", "0"),
    ],
    [
      "the connections are refused",
      () => redis.admin.config("SET", "maxclients", "1").then(() => proxy.cut()),
      () => redis.admin.config("SET", "maxclients", "1000"),
    ],
  ];

  test.each(FAILURES)("where %s", async (_, fail, mend) => {
    const { calls, secrets } = await prepare(root, "acme");
    await fail();
    await expectLost(calls);
    await expectLost(calls);
    await mend();
    await untilServing();
    await expectUntouched(root, "acme", secrets);
    await expectCarriedOut(root, calls, secrets);
  });

  test("where it is out of memory: nothing is made, but what ends tokens is carried out", async () => {
    const { calls, secrets } = await prepare(root, "acme");
    await redis.admin.config("SET", "maxmemory", "1");
    for (const name of ["Create", "Exchange of a link", "Exchange of a rotating token"]) {
      expect(await refusalOf((calls[name] as () => Promise<unknown>)()), name).toBe(LOST);
    }
    expect(await judgeAll(root, secrets)).toEqual(secrets.map(() => "ACTIVE"));
    for (const name of ["Delete", "DeleteAll", "SetActive", "Rotate", "the use of a link"]) {
      expect(await outcomeOf((calls[name] as () => Promise<unknown>)()), name).toBe("ok");
    }
    expect(await judgeAll(root, secrets)).toEqual([
      "UNKNOWN",
      "INACTIVE",
      "SPENT",
      "ACTIVE",
      "EXHAUSTED",
      "ACTIVE",
      "UNKNOWN",
    ]);
  });

  test("where its answers are lost: what was called may be done, and is done for good once it is called again", async () => {
    const { calls, secrets } = await prepare(root, "acme");
    proxy.swallowAnswers();
    await expectLost(calls);
    // On a connection that lives, nothing is ever missing in between.
    proxy.cut();
    proxy.passAnswers();
    await untilServing();
    for (const name of ["Delete", "DeleteAll", "SetActive"]) {
      expect(["ok", "NotFound TOKEN_NOT_FOUND"]).toContain(await outcomeOf((calls[name] as () => Promise<unknown>)()));
    }
    const [deleted, off, , , , , all] = await judgeAll(root, secrets);
    expect([deleted, off, all]).toEqual(["UNKNOWN", "INACTIVE", "UNKNOWN"]);
  });
});

onSqlite((world) => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  test.each(["BEGIN IMMEDIATE", "COMMIT"])("no call answers success whose %s fails", async (statement) => {
    const root = world.connect();
    const tenant = world.name("tenant");
    const { calls, secrets } = await prepare(root, tenant);
    const { run } = StatementSync.prototype;
    vi.spyOn(StatementSync.prototype, "run").mockImplementation(function (this: StatementSync, ...values) {
      if (this.sourceSQL === statement) throw Object.assign(new Error("database or disk is full"), { errcode: 13 });
      return run.apply(this, values);
    });
    await expectLost(calls);
    vi.restoreAllMocks();
    await expectUntouched(root, tenant, secrets);
    await expectCarriedOut(root, calls, secrets);
  });
}, variables);
