import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { MAX_AGE } from "../../src/auth/caller-cache.ts";
import { outcomeOf } from "../attacks/world.ts";
import { type ServiceProcess, spawnService, untilServing } from "../support/process.ts";
import { startProxy, type TcpProxy } from "../support/proxy.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { byId, createServiceClient, ROOT_TOKEN, startService, type TestService } from "../support/service.ts";
import { measureRefusals } from "./let-in.ts";

// Services remember for a moment who introspects. What that means for a token that is taken back: at the instance that does it
// nothing, and at others nothing but that they let its owner introspect. For how long, bound.test.ts tells.

const REFUSED = "Unauthenticated CREDENTIALS_INVALID";

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

  test("is refused within a second at an instance to which nothing gets through, and then not let in again", async () => {
    const { id, secret, callThere } = await issue();
    expect(await callThere()).toBe("ok");
    const place = { isSameService: false, callWith: callThere };
    const takeBack = async () => {
      proxy.hold();
      await here.client().delete({ token: byId(id) });
      setTimeout(proxy.release, 3 * MAX_AGE);
    };
    const [refusal] = await measureRefusals([place], secret, takeBack, "Unavailable STORE_UNAVAILABLE");
    expect(refusal?.letIn).toBeGreaterThan(0);
    expect(refusal?.letIn).toBeLessThan(1000);
    expect(refusal?.refused).toBeGreaterThan(2 * MAX_AGE);
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
