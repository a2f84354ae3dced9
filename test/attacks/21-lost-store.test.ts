import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, onTestFinished, test, vi } from "vitest";
import { RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { startProxy } from "../support/proxy.ts";
import { startRedis } from "../support/redis-server.ts";
import { startService } from "../support/service.ts";

/** A service on a Redis of its own, behind a proxy, and its log. */
async function start(variables: Record<string, string> = {}) {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const proxy = await startProxy(redis.port);
  onTestFinished(() => proxy.close());
  const lines: { level: number; msg: string }[] = [];
  const stream = { write: (line: string) => void lines.push(JSON.parse(line)) };
  const store = { LATCHKEY_STORE: `redis://127.0.0.1:${proxy.port}`, ...variables };
  const service = await startService(store, { level: "info", stream });
  onTestFinished(() => service.close());
  const probe = async (path: string) => {
    const begun = performance.now();
    const { status } = await fetch(service.url + path);
    return { status, ms: performance.now() - begun };
  };
  const expectReady = () => vi.waitFor(async () => expect((await probe("/readyz")).status).toBe(200), 8000);
  return { redis, proxy, service, lines, probe, expectReady };
}

type World = Awaited<ReturnType<typeof start>>;

test.each<[string, (world: World) => unknown, (world: World) => unknown]>([
  ["frozen", ({ redis }) => redis.freeze(), ({ redis }) => redis.thaw()],
  ["killed", ({ redis }) => redis.kill(), ({ redis }) => redis.start()],
  ["silent on open connections", ({ proxy }) => proxy.swallowAnswers(), ({ proxy }) => proxy.passAnswers()],
])(
  "a Redis that is %s makes calls UNAVAILABLE in time, and health says so without being held up",
  async (_, lose, heal) => {
    const world = await start();
    const { service, lines, probe, expectReady } = world;
    const client = service.client();
    await client.create({ kind: "personal", lifetime: { case: "permanent", value: true } });
    await expectReady();
    const { secret } = await client.create({ kind: "personal", lifetime: { case: "permanent", value: true } });
    await lose(world);
    const begun = performance.now();
    const calls = Array.from({ length: 300 }, (_, n) =>
      n % 3 ? client.introspect({ secret }) : client.delete({ token: { case: "secret", value: secret } }),
    );
    const probes = ["/healthz", "/readyz", "/readyz"].map(probe);
    for (const [index, answer] of (await Promise.all(probes)).entries()) {
      expect(answer.ms).toBeLessThan(1000);
      expect(answer.status === 200 || index > 0).toBe(true);
    }
    for (const outcome of await Promise.allSettled(calls)) {
      const error = ConnectError.from(outcome.status === "rejected" ? outcome.reason : undefined);
      expect([outcome.status, error.code]).toEqual(["rejected", Code.Unavailable]);
      expect(error.findDetails(RetryInfoSchema)).toHaveLength(1);
    }
    expect(performance.now() - begun).toBeLessThan(3000);
    await vi.waitFor(async () => expect((await probe("/readyz")).status).toBe(503), 3000);
    await heal(world);
    await expectReady();
    await vi.waitFor(() => expect(lines.at(-1)?.msg).toBe("the store is back"), 5000);
    const told = lines.filter(({ level }) => level === 50);
    expect(told.filter(({ msg }) => msg === "call")).toHaveLength(1);
    expect(told.length).toBeLessThanOrEqual(5);
  },
);

test("a Redis that can lose tokens is told of at the start, and refused where it is strict", async () => {
  const { lines, service } = await start();
  const weakness = "nothing is written to the disk, so a restart loses all tokens: set appendonly to yes";
  expect(lines).toContainEqual(expect.objectContaining({ level: 40, weakness }));
  const keys = join(service.folder, "keys.yaml");
  const strict = { LATCHKEY_STRICT: "1", LATCHKEY_WAIT_REPLICAS: "1", LATCHKEY_KEYS: keys };
  const error = await start(strict).catch((error: unknown) => error);
  expect(String(error)).toContain(weakness);
  expect(String(error)).toContain("0 replicas are connected, and LATCHKEY_WAIT_REPLICAS is 1");
});
