import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { candidates } from "../../../bench/candidates/table.ts";
import { runJob } from "../../../bench/load/run-job.ts";
import { runScript } from "../../../bench/machine/script.ts";
import { startServer } from "../../../bench/machine/server.ts";
import type { FilledLatchkey } from "../../../bench/tokens/fill-latchkey.ts";
import { type RedisServer, startRedis } from "../../support/redis-server.ts";

const folder = mkdtempSync(join(tmpdir(), "latchkey-"));
const KEYS = join(folder, "keys.yaml");
let redis: RedisServer;
let filled: FilledLatchkey;

beforeAll(async () => {
  redis = await startRedis();
  const order = { count: 200, path: join(folder, "latchkey.keys") };
  const variables = { REDIS_URL: redis.url, KEYS, BARE: "1", FILL: JSON.stringify(order) };
  filled = JSON.parse(await runScript({ file: "bench/tokens/fill-latchkey.ts", variables }));
});

afterAll(async () => {
  await redis.stop();
  rmSync(folder, { recursive: true });
});

// The others need what bench/package.json names.
test.each([..."abcdeh"])(
  "(%s) answers rightly, and goes on when clients leave in the middle of their calls",
  async (letter) => {
    const candidate = candidates(redis.url, KEYS).find((one) => one.letter === letter);
    if (!candidate) throw new Error("no such candidate");
    const server = await startServer({ ...candidate.script, log: join(folder, `${letter}.log`) });
    onTestFinished(() => server.stop());
    const target = candidate.target(server.url, filled.keys, filled.introspector);
    const job = { target, warmUp: 0, seconds: 0.5, watch: server.pids };
    for (let round = 0; round < 2; round++) {
      const left = await runJob({ ...job, pace: { type: "closed" } });
      expect(left).toMatchObject({ faults: 0, examples: [], abandoned: 128 + target.connections });
      // At a steady rate all calls are waited for, however slow the machine is.
      const report = await runJob({ ...job, pace: { type: "open", rate: 100 } });
      expect(report).toMatchObject({ faults: 0, examples: [] });
      expect(report.calls).toBeGreaterThan(10);
    }
  },
);
