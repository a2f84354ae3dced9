import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { findFreePort } from "../support/free-port.ts";
import { type ServiceProcess, spawnNpmStart, spawnService, untilServing } from "../support/process.ts";
import { startRedis } from "../support/redis-server.ts";
import { createServiceClient, ROOT_TOKEN } from "../support/service.ts";
import { countContradictions, Traffic } from "./traffic.ts";

const CALLS = 1000;
const CLIENTS = 8;
const KILLS = 3;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-restart-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function settings(store = `sqlite:${join(folder, "latchkey.db")}`) {
  return {
    LATCHKEY_LISTEN: `127.0.0.1:${await findFreePort()}`,
    LATCHKEY_STORE: store,
    LATCHKEY_KEYS: join(folder, "keys.yaml"),
    LATCHKEY_ROOT_TOKEN: ROOT_TOKEN,
  };
}

async function start(variables: Record<string, string>): Promise<ServiceProcess & { readonly url: string }> {
  const service = spawnService(variables);
  onTestFinished(service.destroy);
  return { ...service, url: await untilServing(service) };
}

/** A moment that no two runs share, while the traffic goes on. */
async function untilSomewhere(traffic: Traffic, kill: number): Promise<void> {
  const moment = ((kill + Math.random()) * CALLS) / (KILLS + 0.5);
  await vi.waitFor(() => expect(traffic.answered).toBeGreaterThan(moment), { timeout: 15_000, interval: 5 });
}

describe("what was acknowledged is still so after", { timeout: 60_000 }, () => {
  test(`${KILLS} kills of the service on SQLite`, async () => {
    const variables = await settings();
    let service = await start(variables);
    const { url } = service;
    const traffic = new Traffic(url, ROOT_TOKEN, { clients: CLIENTS, calls: CALLS });
    for (let kill = 0; kill < KILLS; kill++) {
      await untilSomewhere(traffic, kill);
      service.child.kill("SIGKILL");
      expect(await service.exit).toBe("SIGKILL");
      service = await start(variables);
    }
    await traffic.done;
    expect(traffic.surprises).toEqual([]);
    expect(traffic.acknowledged.deleted.size).toBeGreaterThan(CALLS / 4);
    expect(await countContradictions(url, ROOT_TOKEN, traffic.acknowledged)).toEqual({ lost: 0, revived: 0 });
  });

  test(`${KILLS} kills on Redis: of the service, of Redis, and of both`, async () => {
    const redis = await startRedis({ config: { appendonly: "yes", appendfsync: "always" } });
    onTestFinished(() => redis.stop());
    const variables = await settings(redis.url);
    let service = await start(variables);
    const { url } = service;
    const traffic = new Traffic(url, ROOT_TOKEN, { clients: CLIENTS, calls: CALLS });
    for (let kill = 0; kill < KILLS; kill++) {
      await untilSomewhere(traffic, kill);
      const [killsService, killsRedis] = [kill !== 1, kill !== 0];
      if (killsService) service.child.kill("SIGKILL");
      if (killsRedis) await redis.kill().then(redis.start);
      if (killsService) service = await start(variables);
    }
    await traffic.done;
    expect(traffic.surprises).toEqual([]);
    expect(traffic.acknowledged.deleted.size).toBeGreaterThan(CALLS / 4);
    expect(await countContradictions(url, ROOT_TOKEN, traffic.acknowledged)).toEqual({ lost: 0, revived: 0 });
  });

  test("a polite end of npm start in the middle of traffic, which comes within 10 s and with exit code 0", async () => {
    const variables = await settings();
    const service = spawnNpmStart(variables);
    onTestFinished(service.destroy);
    const url = await untilServing(service);
    const traffic = new Traffic(url, ROOT_TOKEN, { clients: CLIENTS, calls: Number.POSITIVE_INFINITY });
    await vi.waitFor(() => expect(traffic.answered).toBeGreaterThan(200), { timeout: 10_000, interval: 5 });

    const asked = performance.now();
    service.child.kill("SIGTERM");
    expect(await service.exit).toBe(0);
    expect(performance.now() - asked).toBeLessThan(10_000);
    await traffic.stop();
    // npm's own lines come first.
    expect(service.stderr()).toContain('"msg":"stopped"');

    await start(variables);
    expect(traffic.surprises).toEqual([]);
    expect(await countContradictions(url, ROOT_TOKEN, traffic.acknowledged)).toEqual({ lost: 0, revived: 0 });
  });
});

test("the root token is shown at the first start only, and serves at the second", async () => {
  const { LATCHKEY_ROOT_TOKEN, ...variables } = await settings();
  const first = await start({ ...variables, LATCHKEY_LISTEN: "127.0.0.1:0" });
  const shown = /root token\s+(lk_root_[0-9A-Za-z]{43})\n/.exec(first.stdout())?.[1] as string;
  const { secret } = await createServiceClient(first.url, shown).create({ kind: "personal" });
  first.child.kill("SIGTERM");
  expect(await first.exit).toBe(0);

  const second = await start({ ...variables, LATCHKEY_LISTEN: "127.0.0.1:0" });
  expect(second.stdout()).toContain("made at the first start");
  expect(second.stdout() + second.stderr() + first.stderr()).not.toMatch(/lk_root_/);
  expect((await createServiceClient(second.url, shown).introspect({ secret })).active).toBe(true);
});
