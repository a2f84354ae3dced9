import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { KEYS_FILE, lineOf } from "../support/old-system.ts";
import { spawnImport } from "../support/process.ts";
import { startRedis } from "../support/redis-server.ts";

const COUNT = 100_000;
const EARLY = 20_000;
const LATE = 80_000;
const MEBIBYTE = 2 ** 20;
/** A heap that is hardly larger than what is needed, so that what grows in it is no mere garbage. */
const SMALL_HEAP = "--max-old-space-size=64 --max-semi-space-size=2";

async function startRedisHere(): Promise<string> {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  return redis.url;
}

test.each([
  ["SQLite", async (folder: string) => `sqlite:${join(folder, "latchkey.db")}`],
  ["Redis", startRedisHere],
])("100,000 tokens are imported into %s without growing memory", { timeout: 600_000 }, async (_, locate) => {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-memory-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "tokens.ndjson");
  writeFileSync(join(folder, "keys.json"), KEYS_FILE);
  const fields = { scopes: ["repo:read"], claims: { team: "a" }, expire_time: "2090-01-01T00:00:00Z" };
  const lines = Array.from({ length: COUNT }, (_, n) => (n % 100 === 99 ? "{}\n" : `${lineOf(n, fields)}\n`));
  writeFileSync(path, lines.join(""));

  const running = spawnImport([path], {
    LATCHKEY_STORE: await locate(folder),
    LATCHKEY_KEYS: join(folder, "keys.json"),
    NODE_OPTIONS: SMALL_HEAP,
  });
  onTestFinished(running.destroy);
  const samples: { line: number; memory: number }[] = [];
  const exit = running.exit.then((code) => ({ code }));
  for (;;) {
    const ended = await Promise.race([exit, setTimeout(100)]);
    if (ended) {
      expect(ended).toEqual({ code: 2 });
      break;
    }
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${running.child.pid}/status`, "utf8")) ?? [];
    const line = existsSync(`${path}.progress`) ? JSON.parse(readFileSync(`${path}.progress`, "utf8")).line : 0;
    if (kilobytes) samples.push({ line, memory: Number(kilobytes) * 1024 });
  }
  expect(running.stdout()).toContain(": 99,000 imported, 0 already there, 1,000 refused");

  const early = samples.findLast(({ line }) => line <= EARLY)?.memory ?? 0;
  const late = samples.filter(({ line }) => line >= LATE).map(({ memory }) => memory);
  expect(late.length).toBeGreaterThan(0);
  expect(early).toBeGreaterThan(20 * MEBIBYTE);
  expect(Math.max(...late) - early).toBeLessThan(16 * MEBIBYTE);
});
