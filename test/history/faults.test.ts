import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { findFreePort } from "../support/free-port.ts";
import { useKinds } from "../support/kinds.ts";
import { spawnService, untilServing } from "../support/process.ts";
import { startProxy } from "../support/proxy.ts";
import { startRedis } from "../support/redis-server.ts";
import { ROOT_TOKEN, startService } from "../support/service.ts";
import { findViolations } from "./check.ts";
import { PLAYED_KINDS } from "./kinds.ts";
import { type Progress, recordHistory } from "./runner.ts";

const OPERATIONS = 4000;
const KILLS = 3;
const BREAKS = 12;

const variables = useKinds();

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-history-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("no client is answered what no correct service answers, through", { timeout: 180_000 }, () => {
  test(`${KILLS} kills of the service on SQLite`, async () => {
    const service = await startProcess(`sqlite:${join(folder, "latchkey.db")}`);
    await expectSound(service.url, KILLS, service.kill);
  });

  test(`${KILLS} kills of the service and of Redis`, async () => {
    const redis = await startRedis({ config: { appendonly: "yes", appendfsync: "always" } });
    onTestFinished(() => redis.stop());
    const service = await startProcess(redis.url);
    await expectSound(service.url, KILLS, () => Promise.all([service.kill(), redis.kill().then(redis.start)]));
  });

  test(`${BREAKS} breaks of the connections to Redis, whose answers are lost with them`, async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const proxy = await startProxy(redis.port);
    onTestFinished(() => proxy.close());
    const shared = { ...variables(), LATCHKEY_STORE: `redis://127.0.0.1:${proxy.port}` };
    const service = await startService(shared);
    onTestFinished(() => service.close());
    await expectSound(service.url, BREAKS, async () => {
      proxy.swallowAnswers();
      await setTimeout(20);
      proxy.cut();
      proxy.passAnswers();
    });
  });
});

/** Plays, with the fault at moments that no two runs share. */
async function expectSound(url: string, faults: number, fault: () => Promise<unknown>): Promise<void> {
  const seed = Date.now() % 1_000_000;
  const meanwhile = async (progress: Progress) => {
    for (let count = 0; count < faults; count++) {
      await progress((count + Math.random()) / faults);
      await fault();
    }
  };
  const history = await recordHistory({
    urls: [url],
    clients: 6,
    operations: OPERATIONS,
    kinds: PLAYED_KINDS,
    seed,
    meanwhile,
  });
  expect(findViolations(history).slice(0, 20), `seed ${seed}`).toEqual([]);
  expect(history.filter(({ outcome }) => outcome === "unknown").length).toBeGreaterThan(faults);
}

/** A service in a process of its own, and how to kill it and start it again at the same address. */
async function startProcess(store: string): Promise<{ url: string; kill(): Promise<void> }> {
  const settings = {
    ...variables(),
    LATCHKEY_LISTEN: `127.0.0.1:${await findFreePort()}`,
    LATCHKEY_STORE: store,
    LATCHKEY_KEYS: join(folder, "keys.yaml"),
    LATCHKEY_ROOT_TOKEN: ROOT_TOKEN,
  };
  let service = spawnService(settings);
  onTestFinished(() => service.destroy());
  return {
    url: await untilServing(service),
    async kill() {
      service.child.kill("SIGKILL");
      await service.exit;
      service = spawnService(settings);
      await untilServing(service);
    },
  };
}
