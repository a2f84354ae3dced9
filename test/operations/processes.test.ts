import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { tmpdir } from "node:os";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { refusalOf } from "../attacks/world.ts";
import { spawnService, untilServing } from "../support/process.ts";
import { startReplica } from "../support/redis-replica.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { ROOT_TOKEN, startService, type TestService } from "../support/service.ts";
import { page } from "./page.ts";

// What docs/operations.md says of a process and its Redis.

const CLIENTS = 50;

let redis: RedisServer;
let folder: string;
beforeAll(async () => {
  redis = await startRedis({ config: { "repl-diskless-sync-delay": "0" } });
  folder = mkdtempSync(`${tmpdir()}/latchkey-processes-`);
});
afterAll(async () => {
  await redis.stop();
  rmSync(folder, { recursive: true });
});

async function start(workers: number) {
  const service = spawnService({
    LATCHKEY_LISTEN: "127.0.0.1:0",
    LATCHKEY_STORE: redis.url,
    LATCHKEY_KEYS: `${folder}/keys.yaml`,
    LATCHKEY_ROOT_TOKEN: ROOT_TOKEN,
    LATCHKEY_WORKERS: String(workers),
  });
  onTestFinished(service.destroy);
  const url = await untilServing(service);
  const countDescriptors = () => readdirSync(`/proc/${service.child.pid}/fd`).length;
  return { ...service, url, countDescriptors };
}

/** The addresses of the connections to Redis that are not ours. */
async function connections(): Promise<string[]> {
  const own = await redis.admin.client("ID");
  const lines = String(await redis.admin.client("LIST"))
    .trim()
    .split("\n");
  return lines.filter((line) => !line.startsWith(`id=${own} `)).map((line) => /addr=(\S+)/.exec(line)?.[1] as string);
}

function told(pattern: RegExp): number {
  return Number(pattern.exec(page)?.[1]);
}

test("each process has as many connections to Redis as the page says, on each of which it sends a script a second", async () => {
  const each = told(/^\| `redis:\/\/` \| (\d+) /m);
  const alone = await start(1);
  const sources = await connections();
  expect(sources).toHaveLength(each);
  const monitor = await redis.admin.monitor();
  onTestFinished(() => monitor.disconnect());
  const sent = new Map(sources.map((source) => [source, [] as string[]]));
  monitor.on("monitor", (_time, [name = ""]: string[], source: string) => {
    if (source !== "lua") sent.get(source)?.push(name.toLowerCase());
  });
  const started = performance.now();
  await vi.waitFor(() => expect([...sent.values()].every(({ length }) => length >= 3)).toBe(true), 10_000);
  const seconds = (performance.now() - started) / 1000;
  for (const names of sent.values()) {
    expect(new Set(names)).toEqual(new Set(["evalsha"]));
    expect(names.length).toBeLessThanOrEqual(seconds + 1);
  }
  monitor.disconnect();
  alone.child.kill("SIGTERM");
  await alone.exit;
  await start(2);
  await vi.waitFor(async () => expect(await connections()).toHaveLength(2 * each), 5000);
});

test("a process has as many descriptors as the page says, and one for each client", async () => {
  const service = await start(1);
  const idle = told(/\*\*Descriptors\*\*: (\d+) for each process/);
  expect(service.countDescriptors()).toBeLessThanOrEqual(idle);
  expect(service.countDescriptors()).toBeGreaterThan(idle - 5);
  const before = service.countDescriptors();
  const sessions = Array.from({ length: CLIENTS }, (): ClientHttp2Session => connect(service.url));
  onTestFinished(() => {
    for (const session of sessions) session.destroy();
  });
  await vi.waitFor(() => expect(service.countDescriptors()).toBe(before + CLIENTS), 5000);
});

/** A change is refused, and yet the instance is ready and judges a token. */
async function expectReadyToJudge(service: TestService, secret: string): Promise<void> {
  const root = service.client();
  expect(await refusalOf(root.create({ subject: "ada", kind: "personal" }))).toBe("Unavailable STORE_UNAVAILABLE");
  expect((await root.introspect({ secret })).active).toBe(true);
  // So long that the answer is none from before.
  await setTimeout(1100);
  const ready = await fetch(`${service.url}/readyz`);
  expect([ready.status, await ready.json()]).toEqual([200, { status: "ready" }]);
}

test("an instance whose changes alone fail, for want of replicas or memory, stays ready and judges tokens", async () => {
  const replica = await startReplica(redis);
  onTestFinished(() => replica.stop());
  const shared = { LATCHKEY_STORE: redis.url, LATCHKEY_KEYS: `${folder}/keys.yaml` };
  const waiting = await startService({ ...shared, LATCHKEY_WAIT_REPLICAS: "1" });
  onTestFinished(() => waiting.close());
  const { secret } = await waiting.client().create({ subject: "ada", kind: "personal" });
  await replica.kill();
  await expectReadyToJudge(waiting, secret);

  const other = await startService(shared);
  onTestFinished(() => other.close());
  await redis.admin.config("SET", "maxmemory", "1");
  onTestFinished(async () => void (await redis.admin.config("SET", "maxmemory", "0")));
  await expectReadyToJudge(other, secret);
});

test("what the page quotes of the source is there", () => {
  const limits = readFileSync(new URL("../../src/wire/limits.ts", import.meta.url), "utf8");
  expect(limits).toContain("maxConnections: 20_000");
  expect(page).toContain("20,000 of these at most");
  expect(limits).toContain("defaultTimeout: 10 * SECOND");
  expect(page).toContain("10 seconds where the client sets none");
  const server = readFileSync(new URL("../../src/wire/server.ts", import.meta.url), "utf8");
  expect(server).toContain("DRAIN_TIMEOUT_MS = 8000");
  expect(page).toContain("What is under way has 8 seconds");
});
