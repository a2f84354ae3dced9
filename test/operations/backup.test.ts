import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { InactiveReason } from "#gen/latchkey/v1/token_service_pb.ts";
import { type ServiceProcess, spawnService, untilServing } from "../support/process.ts";
import { startRedisNode } from "../support/redis-node.ts";
import { byId, createServiceClient, ROOT_TOKEN } from "../support/service.ts";
import { findShell } from "./page.ts";
import { runShell } from "./shell.ts";

// Backs up and restores with the lines of docs/operations.md.

let folder: string;
let keysPath: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-backup-"));
  keysPath = join(folder, "keys.yaml");
  writeFileSync(keysPath, keysFile(1));
  mkdirSync(join(folder, "backup"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const secretOf = (version: number) => Buffer.alloc(32, `the key ${version} `).toString("base64");
const keysFile = (...versions: number[]) =>
  `keys:\n${versions.map((version) => `  - { version: ${version}, secret: ${secretOf(version)} }\n`).join("")}`;

type Latchkey = ServiceProcess & { readonly url: string; readonly root: ReturnType<typeof createServiceClient> };

async function startLatchkey(store: string): Promise<Latchkey> {
  const service = spawnService({
    LATCHKEY_LISTEN: "127.0.0.1:0",
    LATCHKEY_STORE: store,
    LATCHKEY_KEYS: keysPath,
    LATCHKEY_ROOT_TOKEN: ROOT_TOKEN,
  });
  onTestFinished(service.destroy);
  const url = await untilServing(service);
  return { ...service, url, root: createServiceClient(url, ROOT_TOKEN) };
}

async function stop({ child, exit }: ServiceProcess): Promise<void> {
  child.kill("SIGTERM");
  expect(await exit).toBe(0);
}

/** A Redis that keeps its data as the page advises, in this folder. */
async function startRedis(data: string) {
  const redis = await startRedisNode({
    folder: data,
    password: undefined,
    tls: undefined,
    configure: () => [
      ["appendonly", "yes"],
      ["appendfsync", "always"],
      ["save", ""],
      // Or it waits five seconds for others who want a copy, too.
      ["repl-diskless-sync-delay", "0"],
    ],
  });
  onTestFinished(redis.stop);
  return { ...redis, url: `redis://127.0.0.1:${redis.port}` };
}

/** Tokens from before a back-up, and what they were by then. */
async function makeTokens({ root }: Latchkey) {
  const make = async (kind = "personal") => {
    const { token, secret } = await root.create({ subject: "ada", kind, scopes: ["latchkey:self"] });
    return { id: token?.id as string, secret };
  };
  const [good, deleted, off, rotated] = [await make(), await make(), await make(), await make()];
  return { good, deleted, off, rotated, used: await make("link"), gone: await make() };
}

type Tokens = Awaited<ReturnType<typeof makeTokens>>;

/** What happens after the back-up. */
async function takeBack({ root }: Latchkey, { deleted, off, rotated, used }: Tokens): Promise<string> {
  await root.delete({ token: byId(deleted.id) });
  await root.setActive({ token: byId(off.id), active: false });
  await root.rotate({ token: byId(rotated.id) });
  await root.exchange({ secret: used.secret });
  return (await root.create({ subject: "ada", kind: "personal" })).secret;
}

async function activeOf({ root }: Latchkey, tokens: Tokens): Promise<string[]> {
  const names = Object.keys(tokens) as (keyof Tokens)[];
  const requests = names.map((name) => ({ secret: tokens[name].secret, peek: true }));
  const { responses } = await root.batchIntrospect({ requests });
  return names.filter((_, index) => responses[index]?.active);
}

/** What the page warns of: all is as it was at the back-up. */
async function expectRevived(service: Latchkey, tokens: Tokens, since: string): Promise<void> {
  expect(await activeOf(service, tokens)).toEqual(["good", "deleted", "off", "rotated", "used"]);
  const { active, reason } = await service.root.introspect({ secret: since });
  expect([active, reason]).toEqual([false, InactiveReason.UNKNOWN]);
}

/** The back-up of a Redis, restored in another one, after tokens were taken back. */
async function restoreRedis() {
  const redis = await startRedis(mkdtempSync(join(folder, "old-")));
  const before = await startLatchkey(redis.url);
  const tokens = await makeTokens(before);
  await before.root.delete({ token: byId(tokens.gone.id) });
  await runShell(findShell("--rdb"), folder, {}, redis.port);
  const since = await takeBack(before, tokens);
  expect(await activeOf(before, tokens)).toEqual(["good"]);
  await stop(before);
  await redis.kill();

  const data = mkdtempSync(join(folder, "new-"));
  await runShell(findShell("appendonlydir"), folder, { DATA: data });
  const restored = await startRedis(data);
  const after = await startLatchkey(restored.url);
  await expectRevived(after, tokens, since);
  return { tokens, restored, data, after };
}

/** Runs lines that call Latchkey. */
function call(service: Latchkey, part: string, variables: Record<string, string> = {}) {
  const code = findShell(part).replaceAll("127.0.0.1:8080", new URL(service.url).host);
  return runShell(code, folder, { ROOT_TOKEN, ...variables });
}

describe("a Redis", { timeout: 60_000 }, () => {
  test("is backed up while it runs and restored in another, which keeps what is written there from then on", async () => {
    const { tokens, restored, data, after } = await restoreRedis();
    const { secret } = await after.root.create({ subject: "ada", kind: "personal" });
    await restored.kill();
    const again = await startRedis(data);
    await stop(after);
    const service = await startLatchkey(again.url);
    expect((await service.root.introspect({ secret })).active).toBe(true);
    expect((await service.root.introspect(tokens.good)).active).toBe(true);
  });

  test("starts empty with a dump.rdb alone, as the page warns", async () => {
    const redis = await startRedis(mkdtempSync(join(folder, "old-")));
    await redis.admin.set("key", "value");
    await runShell(findShell("--rdb"), folder, {}, redis.port);
    const data = mkdtempSync(join(folder, "new-"));
    cpSync(join(folder, "latchkey.rdb"), join(data, "dump.rdb"));
    expect(await (await startRedis(data)).admin.dbsize()).toBe(0);
  });

  test("brings back what was deleted, until it is deleted by its ids", async () => {
    const { tokens, after } = await restoreRedis();
    const answer = await call(after, '"ids', { ID: tokens.deleted.id });
    expect(JSON.parse(answer)).toEqual({ deletedCount: "1" });
    expect(await activeOf(after, tokens)).toEqual(["good", "off", "rotated", "used"]);
  });

  test("brings back what was used up, until all of the kind are deleted", async () => {
    const { tokens, after } = await restoreRedis();
    await call(after, '"kinds"');
    expect(await activeOf(after, tokens)).toEqual(["good", "deleted", "off", "rotated"]);
  });

  test("brings back nothing that anybody could use, once the service key is another one", async () => {
    const { tokens, after } = await restoreRedis();
    for (const [index, versions] of [[2, 1], [2]].entries()) {
      writeFileSync(keysPath, keysFile(...versions));
      after.child.kill("SIGHUP");
      await vi.waitFor(() => expect(after.stderr().split('"read the keys again"')).toHaveLength(index + 2), 5000);
    }
    expect(await activeOf(after, tokens)).toEqual([]);
    const { secret } = await after.root.create({ subject: "ada", kind: "personal" });
    expect((await after.root.introspect({ secret })).active).toBe(true);
  });

  test("is of no use without the keys of its time", async () => {
    const { restored, after } = await restoreRedis();
    await stop(after);
    writeFileSync(keysPath, keysFile(3));
    const service = startLatchkey(restored.url);
    await expect(service).rejects.toThrow("holds none of the service keys that the tokens in the store were made with");
  });
});

describe("a SQLite file", { timeout: 60_000 }, () => {
  test("is backed up under load, restored in its place, and brings back what was taken back since", async () => {
    const data = join(folder, "data");
    const store = `sqlite:${data}/latchkey.db`;
    const before = await startLatchkey(store);
    const tokens = await makeTokens(before);
    await before.root.delete({ token: byId(tokens.gone.id) });
    const load = { acknowledged: [] as string[], isOn: true };
    const loading = (async () => {
      while (load.isOn) load.acknowledged.push((await before.root.create({ subject: "eve", kind: "personal" })).secret);
    })();
    await vi.waitFor(() => expect(load.acknowledged.length).toBeGreaterThan(50), 10_000);
    const acknowledged = [...load.acknowledged];
    const variables = { PID: String(before.child.pid), BACKUP: join(folder, "backup") };
    await runShell(findShell("-STOP"), data, variables);
    // The load went on meanwhile, or what is kept of it would show nothing.
    expect(existsSync(join(folder, "backup/latchkey.db-wal"))).toBe(true);
    await vi.waitFor(() => expect(load.acknowledged.length).toBeGreaterThan(acknowledged.length + 50), 10_000);
    load.isOn = false;
    await loading;
    const since = await takeBack(before, tokens);
    // Also what a kill leaves beside the file.
    before.child.kill("SIGKILL");
    await before.exit;
    expect(readdirSync(data)).toContain("latchkey.db-wal");

    await runShell(findShell("rm -f"), data, variables);
    const after = await startLatchkey(store);
    await expectRevived(after, tokens, since);
    for (let start = 0; start < acknowledged.length; start += 100) {
      const requests = acknowledged.slice(start, start + 100).map((secret) => ({ secret }));
      const { responses } = await after.root.batchIntrospect({ requests });
      expect(responses.every(({ active }) => active)).toBe(true);
    }
  });

  test("can't be read by others while Latchkey has it", async () => {
    const path = join(folder, "data/latchkey.db");
    await startLatchkey(`sqlite:${path}`);
    const database = new DatabaseSync(path, { readOnly: true });
    onTestFinished(() => database.close());
    expect(() => database.exec(`VACUUM INTO '${folder}/copy.db'`)).toThrow("database is locked");
  });
});
