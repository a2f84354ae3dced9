import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { startReplica } from "../support/redis-replica.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { byId, startService, type TestService } from "../support/service.ts";
import { readTable } from "./page.ts";

// Counts what each call asks of a real Redis, and compares it with the table of docs/operations.md.

let redis: RedisServer;
let replica: RedisServer;
let service: TestService;
let durable: TestService;
let monitor: Awaited<ReturnType<RedisServer["admin"]["monitor"]>>;
let seen: { words: string[]; isInScript: boolean }[] = [];

beforeAll(async () => {
  redis = await startRedis({ config: { "repl-diskless-sync-delay": "0" } });
  replica = await startReplica(redis);
  service = await startService({ LATCHKEY_STORE: redis.url });
  durable = await startService({
    LATCHKEY_STORE: redis.url,
    LATCHKEY_WAIT_REPLICAS: "1",
    LATCHKEY_KEYS: `${service.folder}/keys.yaml`,
  });
  monitor = await redis.admin.monitor();
  monitor.on("monitor", (_time, words: string[], source: string) => seen.push({ words, isInScript: source === "lua" }));
});

afterAll(async () => {
  monitor.disconnect();
  await Promise.all([service.close(), durable.close()]);
  await Promise.all([redis.stop(), replica.stop()]);
});

interface Count {
  readonly commands: number;
  readonly scripts: number;
  readonly inScripts: number;
}

/** What goes to Redis meanwhile, but for the checks of the connections and the notes of last uses. */
async function count(run: () => Promise<unknown>): Promise<Count> {
  const [begin, end] = [randomUUID(), randomUUID()];
  await redis.admin.echo(begin);
  await run();
  await redis.admin.echo(end);
  const place = (mark: string) => seen.findIndex(({ words }) => words[1] === mark);
  await expect.poll(() => place(end)).toBeGreaterThan(0);
  const total = { commands: 0, scripts: 0, inScripts: 0 };
  let isOurs = true;
  for (const { words, isInScript } of seen.slice(place(begin) + 1, place(end))) {
    const [name = "", , , firstKey = ""] = words;
    // Scripts that are for records alone note uses.
    if (!isInScript) isOurs = !(/^eval/i.test(name) && /^lk:(meta$|t:)/.test(firstKey));
    if (!isOurs || /^(replconf|ping)$/i.test(name)) continue;
    if (isInScript) total.inScripts++;
    else if (/^eval/i.test(name)) total.scripts++;
    else total.commands++;
  }
  seen = [];
  return total;
}

type Client = ReturnType<TestService["client"]>;

/** A caller with a token, known as one that introspects or not, and tokens of ada: one to work with and nine others. */
interface World {
  readonly client: Client;
  readonly id: string;
  readonly secret: string;
}

async function prepare(served: TestService): Promise<World> {
  const root = served.client();
  const scopes = ["latchkey:admin", "latchkey:introspect", "latchkey:self"];
  const client = served.client((await root.create({ kind: "service", subject: "caller", scopes })).secret);
  await root.deleteAll({ subject: "ada" });
  const made = await root.create({ kind: "personal", subject: "ada", label: "one" });
  for (let other = 1; other < 10; other++) await root.create({ kind: "personal", subject: "ada" });
  return { client, id: made.token?.id as string, secret: made.secret };
}

const requestId = () => randomUUID();
const knows = ({ client, secret }: World) => client.introspect({ secret, peek: true });
const addLink = async ({ client }: World, wish: object = {}) =>
  (await client.create({ kind: "link", subject: "ada", scopes: ["latchkey:self"], ...wish })).secret;

/** What each row of the table is about: what comes before, and the call itself. */
const CALLS: Record<string, (world: World) => Promise<() => Promise<unknown>>> = {
  "Introspect, by a caller that is remembered": async (world) => {
    await knows(world);
    return () => world.client.introspect({ secret: world.secret });
  },
  "Introspect, by another":
    async ({ client, secret }) =>
    () =>
      client.introspect({ secret }),
  "Introspect of a token with limited uses": async (world) => {
    const { secret } = await world.client.create({ kind: "personal", subject: "ada", maxUses: 5 });
    await knows(world);
    return () => world.client.introspect({ secret });
  },
  "BatchIntrospect of 100": async (world) => {
    await knows(world);
    const { tokens } = await world.client.list({ subject: "ada" });
    const all = await Promise.all(tokens.map(({ id }) => world.client.rotate({ token: byId(id) })));
    const requests = Array.from({ length: 100 }, (_, index) => ({ secret: all[index % all.length]?.secret as string }));
    return async () => expect((await world.client.batchIntrospect({ requests })).responses).toHaveLength(100);
  },
  Create:
    async ({ client }) =>
    () =>
      client.create({ kind: "personal", subject: "ada" }),
  "Create with a request id": async ({ client }) => {
    return () => client.create({ kind: "personal", subject: "ada", requestId: requestId() });
  },
  Get:
    async ({ client, id }) =>
    () =>
      client.get({ token: byId(id) }),
  "Get, by the root token": async ({ id }) => {
    const root = service.client();
    return () => root.get({ token: byId(id) });
  },
  "List of a subject, a page": async ({ client }) => {
    return async () => expect((await client.list({ subject: "ada", pageSize: 5 })).tokens).toHaveLength(5);
  },
  "List of a tenant with two subjects": async ({ client }) => {
    return async () =>
      expect((await client.list({ tenant: "default", pageSize: 1000 })).tokens.length).toBeGreaterThan(10);
  },
  Update: async ({ client, id }) => {
    return () => client.update({ token: byId(id), label: "two", updateMask: { paths: ["label"] } });
  },
  SetActive:
    async ({ client, id }) =>
    () =>
      client.setActive({ token: byId(id), active: false }),
  Rotate:
    async ({ client, id }) =>
    () =>
      client.rotate({ token: byId(id) }),
  "Rotate with a request id": async ({ client, id }) => {
    return () => client.rotate({ token: byId(id), requestId: requestId() });
  },
  Exchange: async (world) => {
    const secret = await addLink(world);
    return () => world.client.exchange({ secret });
  },
  "Exchange with a request id": async (world) => {
    const secret = await addLink(world);
    return () => world.client.exchange({ secret, requestId: requestId() });
  },
  Delete:
    async ({ client, id }) =>
    () =>
      client.delete({ token: byId(id) }),
  "Delete, with LATCHKEY_WAIT_REPLICAS":
    async ({ client, id }) =>
    () =>
      client.delete({ token: byId(id) }),
  "DeleteAll of a subject with 10 tokens": async ({ client }) => {
    return async () => expect((await client.deleteAll({ subject: "ada" })).deletedCount).toBe(10n);
  },
};

const table = readTable("call");

test("the table has each method of the service, and each row of it is measured", () => {
  const named = new Set(table.map(([call = ""]) => call.split(/\W/)[0]));
  expect([...named].sort()).toEqual(TokenService.methods.map(({ name }) => name).sort());
  expect(table.map(([call]) => call)).toEqual(Object.keys(CALLS));
});

test.each(table)("%s asks of Redis what the table says", async (call = "", ...told) => {
  const begin = CALLS[call] as (typeof CALLS)[string];
  const served = call.includes("LATCHKEY_WAIT_REPLICAS") ? durable : service;
  // Once so that Redis knows the scripts.
  await (await begin(await prepare(served)))();
  const { commands, scripts, inScripts } = await count(await begin(await prepare(served)));
  expect([commands, scripts, inScripts]).toEqual(told.map((cell) => Number(cell.replace(",", ""))));
});
