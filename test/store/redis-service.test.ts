import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { findFreePort } from "../support/free-port.ts";
import { startRedisCluster } from "../support/redis-cluster.ts";
import { startRedisSentinels } from "../support/redis-sentinel.ts";

const MAIN = join(import.meta.dirname, "../../src/main.ts");
const ROOT_TOKEN = "root-token-".repeat(4);

test.each([
  ["a cluster", startRedisCluster],
  ["a master that sentinels know", startRedisSentinels],
])("the whole service, with workers, runs on %s", { timeout: 60_000 }, async (_, start) => {
  const redis = await start({ password: "s%cret/" });
  onTestFinished(() => redis.stop());
  const folder = mkdtempSync(join(tmpdir(), "latchkey-service-"));
  const port = await findFreePort();
  const url = `http://127.0.0.1:${port}`;
  const env = {
    PATH: process.env.PATH,
    LATCHKEY_STORE: redis.url,
    LATCHKEY_LISTEN: `127.0.0.1:${port}`,
    LATCHKEY_WORKERS: "2",
    LATCHKEY_ROOT_TOKEN: ROOT_TOKEN,
  };
  const child = spawn("node", [MAIN], { cwd: folder, env });
  const exit = new Promise((resolve) => child.once("exit", resolve));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exit;
    rmSync(folder, { recursive: true });
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  const call = async (method: string, body: object) => {
    const headers = { "content-type": "application/json", authorization: `Bearer ${ROOT_TOKEN}` };
    const request = { method: "POST", headers, body: JSON.stringify(body) };
    return (await fetch(`${url}/latchkey.v1.TokenService/${method}`, request)).json() as Promise<{ secret: string }>;
  };
  await vi.waitFor(async () => expect((await fetch(`${url}/readyz`)).status).toBe(200), 10_000);
  const { secret } = await call("Create", { tenant: "t", subject: "s", kind: "personal" });
  expect(await call("Introspect", { secret })).toMatchObject({ active: true });
  child.kill("SIGTERM");
  expect(await exit).toBe(0);
  expect(output).toContain("Latchkey serves on");
  expect(output).not.toContain(encodeURIComponent("s%cret/"));
});
