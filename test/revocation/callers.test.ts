import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { MAX_AGE } from "../../src/auth/caller-cache.ts";
import { outcomeOf } from "../attacks/world.ts";
import { type ServiceProcess, spawnService, untilServing } from "../support/process.ts";
import { startProxy, type TcpProxy } from "../support/proxy.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { createServiceClient, ROOT_TOKEN, startService, type TestService } from "../support/service.ts";

// Services remember for a moment who introspects. What that means for a token that is taken back: at the instance that does it
// nothing, at the others of the same Redis as long as the news takes, and MAX_AGE if there is none.

const REFUSED = "Unauthenticated CREDENTIALS_INVALID";
const ROUNDS = 200;
/** How many call at the same moment. */
const CALLERS = 4;

let folder: string;
let redis: RedisServer;
let proxy: TcpProxy;
/** Here tokens are taken back, and there, beyond a proxy, they call. */
let here: TestService;
let there: ServiceProcess;
let thereUrl: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-callers-"));
  redis = await startRedis();
  proxy = await startProxy(redis.port);
  const shared = { LATCHKEY_KEYS: join(folder, "keys.yaml"), LATCHKEY_ROOT_TOKEN: ROOT_TOKEN };
  here = await startService({ ...shared, LATCHKEY_STORE: redis.url });
  const elsewhere = { LATCHKEY_STORE: `redis://127.0.0.1:${proxy.port}`, LATCHKEY_LISTEN: "127.0.0.1:0" };
  there = spawnService({ ...shared, ...elsewhere });
  thereUrl = await untilServing(there);
});
afterEach(async () => {
  there.destroy();
  await here.close();
  proxy.close();
  await redis.stop();
  rmSync(folder, { recursive: true });
});

const byId = (id: string) => ({ case: "id", value: id }) as const;

/** A new token, and a call with it to each service. */
async function issue(scopes = ["latchkey:introspect", "latchkey:self"]) {
  const { token, secret } = await here.client().create({ kind: "service", subject: "ada", scopes });
  const [atHere, atThere] = [here.client(secret), createServiceClient(thereUrl, secret)];
  return {
    id: token?.id ?? "",
    secret,
    callHere: () => outcomeOf(atHere.introspect({ secret: "junk" })),
    callThere: () => outcomeOf(atThere.introspect({ secret: "junk" })),
    createThere: () => outcomeOf(atThere.create({ kind: "personal" })),
    listThere: () => outcomeOf(atThere.list({ pageSize: 1 })),
  };
}

/**
 * Some callers call all the time while the token is taken back. Answers for how long they were let in after the answer to that, in
 * milliseconds: when the last call began that was.
 */
async function measureLetIn(call: () => Promise<string>, takeBack: () => Promise<unknown>): Promise<number> {
  let lastGood = 0;
  let good = 0;
  const callUntilRefused = async () => {
    for (;;) {
      const began = performance.now();
      const outcome = await call();
      if (outcome === REFUSED) return;
      expect(outcome).toBe("ok");
      lastGood = Math.max(lastGood, began);
      good++;
    }
  };
  const callers = Promise.all(Array.from({ length: CALLERS }, callUntilRefused));
  await expect.poll(() => good, { interval: 1 }).toBeGreaterThan(CALLERS);
  await takeBack();
  const answered = performance.now();
  await callers;
  return Math.max(0, lastGood - answered);
}

const CHANGES: [what: string, change: (root: ReturnType<TestService["client"]>, id: string) => Promise<unknown>][] = [
  ["Delete", (root, id) => root.delete({ token: byId(id) })],
  ["DeleteAll", (root) => root.deleteAll({ subject: "ada" })],
  ["SetActive", (root, id) => root.setActive({ token: byId(id), active: false })],
  ["Rotate", (root, id) => root.rotate({ token: byId(id) })],
];

describe("a token that was taken back", () => {
  test.each(CHANGES)("by %s is refused at the same instance from the answer on", async (_, change) => {
    for (let round = 0; round < 10; round++) {
      const { id, callHere } = await issue();
      expect([await callHere(), await callHere()]).toEqual(["ok", "ok"]);
      await change(here.client(), id);
      expect(await callHere()).toBe(REFUSED);
    }
  });

  test("is refused at another instance as soon as the news is there", { timeout: 60_000 }, async ({ annotate }) => {
    const spans: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const [, change] = CHANGES[round % CHANGES.length] as (typeof CHANGES)[number];
      const { id, callThere } = await issue();
      spans.push(await measureLetIn(callThere, () => change(here.client(), id)));
    }
    const inOrder = spans.toSorted((a, b) => a - b);
    const [p50, p99, worst] = [0.5, 0.99, 1].map((part) => inOrder[Math.ceil(part * ROUNDS) - 1]?.toFixed(2));
    await annotate(`let in for: p50 ${p50} ms, p99 ${p99} ms, worst ${worst} ms`);
    expect(Math.max(...spans)).toBeLessThan(MAX_AGE);
  });

  test("is refused after MAX_AGE where no news comes, and nobody can tell that it is missing", async ({ annotate }) => {
    proxy.dropMessages();
    const { id, callHere, callThere } = await issue();
    const letIn = await measureLetIn(callThere, async () => {
      await here.client().delete({ token: byId(id) });
      expect(await callHere()).toBe(REFUSED);
    });
    await annotate(`let in for ${letIn.toFixed(0)} ms`);
    expect(letIn).toBeGreaterThan(0);
    expect(letIn).toBeLessThan(MAX_AGE);
  });

  test("can do nothing but introspect where no news comes: to make a token with it is refused at once", async () => {
    proxy.dropMessages();
    for (const [, change] of CHANGES) {
      const { id, callThere, createThere, listThere } = await issue();
      expect([await callThere(), await createThere(), await listThere()]).toEqual(["ok", "ok", "ok"]);
      await change(here.client(), id);
      expect([await createThere(), await listThere()]).toEqual([REFUSED, REFUSED]);
    }
  });

  test("is refused at once where the news was lost with the connection", async ({ annotate }) => {
    proxy.dropMessages();
    const { id, callThere } = await issue();
    const letIn = await measureLetIn(callThere, async () => {
      await here.client().delete({ token: byId(id) });
      await redis.admin.call("CLIENT", "KILL", "TYPE", "pubsub");
    });
    await annotate(`let in for ${letIn.toFixed(0)} ms`);
    expect(letIn).toBeLessThan(MAX_AGE);
  });
});

test("an introspection by a known caller is one command to Redis, that reads the token", async () => {
  const [caller, { secret }] = [await issue(["latchkey:introspect"]), await issue()];
  const client = createServiceClient(thereUrl, caller.secret);
  const introspect = async () => expect((await client.introspect({ secret })).active).toBe(true);
  await introspect();
  // A first use is written, once a minute.
  const isWritten = async () => (await here.client().get({ token: byId(caller.id) })).token?.lastUsedTime !== undefined;
  await expect.poll(isWritten, { timeout: 5000 }).toBe(true);

  const monitor = await redis.admin.monitor();
  onTestFinished(() => monitor.disconnect());
  const commands: string[] = [];
  monitor.on("monitor", (_time, [name = ""]: string[], source: string) => {
    // What scripts do, and the checks of the connections, which are scripts.
    if (source !== "lua" && !/^eval/i.test(name)) commands.push(name.toLowerCase());
  });
  // Again where a slow machine has let MAX_AGE pass meanwhile.
  await vi.waitFor(async () => {
    await introspect();
    await redis.admin.echo("begin");
    for (let count = 0; count < 20; count++) await introspect();
    await redis.admin.echo("end");
    await expect.poll(() => commands.at(-1)).toBe("echo");
    const counted = commands.slice(commands.lastIndexOf("echo", -2) + 1, -1);
    expect(counted).toEqual(Array(20).fill("mget"));
  }, 10_000);
});
