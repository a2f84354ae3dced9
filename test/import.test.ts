import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { InactiveReason } from "#gen/latchkey/v1/token_service_pb.ts";
import { systemClock } from "../src/domain/clock.ts";
import { openStore } from "../src/store/open-store.ts";
import type { TokenStore } from "../src/store/token-store.ts";
import { evidenceOf, HIDDEN, KEYS_FILE, lineOf, linesOf, SOURCES, secretOf } from "./support/old-system.ts";
import { type ServiceProcess, spawnImport, spawnNpmImport, spawnService, untilServing } from "./support/process.ts";
import { type RedisServer, startRedis } from "./support/redis-server.ts";
import { createServiceClient, ROOT_TOKEN } from "./support/service.ts";

const COUNT = 5_000;

let folder: string;
let path: string;
let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-import-"));
  path = join(folder, "tokens.ndjson");
  writeFileSync(join(folder, "keys.json"), KEYS_FILE);
  onTestFinished(async () => {
    rmSync(folder, { recursive: true });
    await redis.admin.flushall();
  });
});

const variablesOn = (location: string) => ({ LATCHKEY_STORE: location, LATCHKEY_KEYS: join(folder, "keys.json") });
const inSqlite = () => `sqlite:${join(folder, "latchkey.db")}`;

function start(location: string, words = [path]): ServiceProcess {
  const run = spawnImport(words, variablesOn(location), folder);
  onTestFinished(run.destroy);
  return run;
}

/** Runs an import to its end. */
async function run(location: string, words = [path], variables = {}) {
  const process = spawnImport(words, { ...variablesOn(location), ...variables }, folder);
  onTestFinished(process.destroy);
  const code = await process.exit;
  const [stdout, stderr] = [process.stdout(), process.stderr()];
  for (const hidden of HIDDEN) expect(stdout + stderr).not.toContain(hidden);
  expect(stderr).not.toMatch(/^ +at |node:internal|TypeError/m);
  return { code, stdout, stderr };
}

const progress = () => JSON.parse(readFileSync(`${path}.progress`, "utf8"));

async function withStore<T>(location: string, use: (store: TokenStore) => Promise<T>): Promise<T> {
  const store = await openStore(location, { clock: systemClock });
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

const tokensIn = (location: string) =>
  withStore(location, (store) => store.page({ tenant: "acme", limit: 10 * COUNT }));

const labelsIn = async (location: string) => (await tokensIn(location)).map(({ label }) => label).toSorted();
const allLabels = Array.from({ length: COUNT }, (_, n) => `token ${n}`).toSorted();

const STORES = [
  {
    name: "SQLite",
    location: inSqlite,
    /** Whether some of the tokens are in it, while the import holds it. */
    hasSome: async () => Number(statSync(join(folder, "latchkey.db-wal"), { throwIfNoEntry: false })?.size ?? 0) > 1e6,
  },
  { name: "Redis", location: () => redis.url, hasSome: async () => (await redis.admin.dbsize()) > 1000 },
];

describe.each(STORES)("into $name", ({ location, hasSome }) => {
  test("tokens go on to work with their secrets, and are tokens like any other", { timeout: 60_000 }, async () => {
    const fields = {
      tenant: "acme",
      subject: "ada",
      label: "laptop",
      hint: "old_12",
      scopes: ["repo:read", "repo:write"],
      audiences: ["api"],
      claims: { team: { id: 7 } },
      client_id: "cli",
      create_time: "2025-02-03T04:05:06Z",
      expire_time: "2090-01-01T00:00:00+01:00",
    };
    const plain = SOURCES.map((source) => JSON.stringify({ ...evidenceOf(source, 1), ...fields, kind: "personal" }));
    const limited = lineOf(2, { uses_left: 2, subject: "bob" });
    const off = lineOf(3, { active: false, subject: "bob" });
    writeFileSync(path, [...plain, limited, off].join("\n"));
    const { code, stdout, stderr } = await run(location());
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^\S+tokens\.ndjson: 6 imported, 0 already there, 0 refused, in \d+\.\d s\n$/);

    const service = spawnService(
      { ...variablesOn(location()), LATCHKEY_LISTEN: "127.0.0.1:0", LATCHKEY_ROOT_TOKEN: ROOT_TOKEN },
      folder,
    );
    onTestFinished(service.destroy);
    const client = createServiceClient(await untilServing(service), ROOT_TOKEN);
    const ask = (secret: string) => client.introspect({ secret, audience: "api", scopes: [] });

    for (const source of SOURCES) {
      const secret = await secretOf(source, 1);
      const { active, token } = await client.introspect({ secret, audience: "api", scopes: ["repo:write"] });
      expect(active).toBe(true);
      expect(token).toMatchObject({
        tenant: "acme",
        subject: "ada",
        kind: "personal",
        label: "laptop",
        hint: "old_12",
        scopes: ["repo:read", "repo:write"],
        audiences: ["api"],
        claims: { team: { id: 7 } },
        clientId: "cli",
        creator: "import",
        parentId: "",
        createTime: timestampFromDate(new Date("2025-02-03T04:05:06Z")),
        expireTime: timestampFromDate(new Date("2089-12-31T23:00:00Z")),
        active: true,
      });

      const rotated = await client.rotate({ token: { case: "id", value: token?.id ?? "" } });
      expect(rotated.secret).toMatch(/^lk_pat_/);
      expect(await ask(rotated.secret)).toMatchObject({ active: true, token: { id: token?.id } });
      expect(await ask(secret)).toMatchObject({ active: false, reason: InactiveReason.SPENT });
      expect(await client.delete({ token: { case: "secret", value: rotated.secret } })).toMatchObject({
        deletedCount: 1n,
      });
      for (const gone of [secret, rotated.secret])
        expect(await ask(gone)).toMatchObject({ active: false, reason: InactiveReason.UNKNOWN });
    }

    const twice = await secretOf("sha", 2);
    expect(await ask(twice)).toMatchObject({ active: true, token: { usesLeft: 1 } });
    expect(await ask(twice)).toMatchObject({ active: true, token: { usesLeft: 0 } });
    expect(await ask(twice)).toMatchObject({ active: false, reason: InactiveReason.EXHAUSTED });

    const token = { case: "secret", value: await secretOf("sha", 3) } as const;
    expect(await ask(token.value)).toMatchObject({ active: false, reason: InactiveReason.INACTIVE });
    await client.setActive({ token, active: true });
    expect(await ask(token.value)).toMatchObject({ active: true });
    await client.delete({ token });
    expect(await ask(token.value)).toMatchObject({ active: false, reason: InactiveReason.UNKNOWN });

    service.child.kill("SIGTERM");
    expect(await service.exit).toBe(0);
    for (const source of SOURCES) expect(service.stderr()).not.toContain(await secretOf(source, 1));
  });

  test("killed in the middle: nothing is lost, nothing there twice, and nothing deleted comes back", {
    timeout: 120_000,
  }, async () => {
    writeFileSync(path, linesOf(COUNT));
    const killed = start(location());
    await vi.waitFor(async () => expect(await hasSome()).toBe(true), { timeout: 30_000, interval: 5 });
    killed.child.kill("SIGKILL");
    expect(await killed.exit).toBe("SIGKILL");
    expect(progress().finished).toBe(false);

    const before = await tokensIn(location());
    expect(before.length).toBeGreaterThan(0);
    expect(before.length).toBeLessThan(COUNT);
    const deleted = before.slice(0, 100);
    await withStore(location(), (store) => Promise.all(deleted.map(({ id }) => store.remove(id))));

    const { code, stdout } = await run(location());
    expect(code).toBe(0);
    const [, imported, known] = /: (\S+) imported, (\S+) already there, 0 refused/.exec(stdout) ?? [];
    expect([imported, known].map((count) => Number(count?.replace(",", ""))).reduce((a, b) => a + b)).toBe(COUNT);
    const gone = new Set(deleted.map(({ label }) => label));
    expect(await labelsIn(location())).toEqual(allLabels.filter((label) => !gone.has(label)));
  });

  test("asked to stop, it ends what is under way, and goes on later", { timeout: 120_000 }, async () => {
    writeFileSync(path, linesOf(COUNT));
    const stopped = start(location());
    await vi.waitFor(async () => expect(await hasSome()).toBe(true), { timeout: 30_000, interval: 5 });
    stopped.child.kill("SIGINT");
    stopped.child.kill("SIGINT");
    expect(await stopped.exit).toBe(1);
    const { line, imported, finished } = progress();
    expect([imported, finished]).toEqual([line, false]);
    expect(stopped.stderr()).toContain(`${path}: stopped after line ${line}; the same command goes on from there\n`);
    expect(stopped.stdout()).toBe("");
    expect(await tokensIn(location())).toHaveLength(line);

    const { code, stdout, stderr } = await run(location());
    expect(stderr).toContain(`${path}: goes on after line ${line}\n`);
    expect(stdout).toContain(": 5,000 imported, 0 already there, 0 refused, in ");
    expect(code).toBe(0);
    expect(await labelsIn(location())).toEqual(allLabels);
  });
});

test("Redis that does not answer stops it, and it goes on later", { timeout: 120_000 }, async () => {
  writeFileSync(path, linesOf(COUNT));
  const stopped = start(redis.url);
  await vi.waitFor(async () => expect(await redis.admin.dbsize()).toBeGreaterThan(1000), {
    timeout: 30_000,
    interval: 5,
  });
  redis.freeze();
  const code = await stopped.exit.finally(() => redis.thaw());
  expect(code).toBe(1);
  expect(stopped.stderr()).toMatch(
    /tokens\.ndjson: stopped after line \d+; the same command goes on from there\nlatchkey can't import: the Redis store failed: Redis at 127\.0\.0\.1:\d+: /,
  );
  expect((await run(redis.url)).code).toBe(0);
  expect(await labelsIn(redis.url)).toEqual(allLabels);
});

test("a service on the same Redis knows what is imported at once", { timeout: 60_000 }, async () => {
  const service = spawnService(
    { ...variablesOn(redis.url), LATCHKEY_LISTEN: "127.0.0.1:0", LATCHKEY_ROOT_TOKEN: ROOT_TOKEN },
    folder,
  );
  onTestFinished(service.destroy);
  const client = createServiceClient(await untilServing(service), ROOT_TOKEN);
  const secret = await secretOf("sha", 0);
  expect(await client.introspect({ secret })).toMatchObject({ active: false, reason: InactiveReason.UNKNOWN });
  writeFileSync(path, lineOf(0));
  expect((await run(redis.url)).code).toBe(0);
  expect(await client.introspect({ secret })).toMatchObject({ active: true, token: { label: "token 0" } });
});

test("a service on the same SQLite file keeps it out", { timeout: 60_000 }, async () => {
  const service = spawnService({ ...variablesOn(inSqlite()), LATCHKEY_LISTEN: "127.0.0.1:0" }, folder);
  onTestFinished(service.destroy);
  await untilServing(service);
  writeFileSync(path, lineOf(0));
  expect(await run(inSqlite())).toEqual({
    code: 1,
    stdout: "",
    stderr: `latchkey can't import: ${join(folder, "latchkey.db")} is in use by another process: run one, or use Redis: database is locked\n`,
  });
  expect(existsSync(`${path}.progress`)).toBe(false);
});

test("refused lines are told, listed, and make the exit code 2; what was imported is not imported again", async () => {
  writeFileSync(path, [lineOf(0), lineOf(1, { tenant: "" }), "{", lineOf(1, { kind: "nothing" })].join("\n"));
  const why = [
    "2: tenant: must be neither empty nor hold spaces or control characters",
    "3: is not JSON",
    "4: kind: none of personal, service, session, refresh, access, link",
  ];
  const { code, stdout, stderr } = await run(inSqlite());
  expect(stderr).toBe(why.map((line) => `${path}:${line}\n`).join(""));
  expect(stdout).toMatch(/: 1 imported, 0 already there, 3 refused, in \d+\.\d s\n$/);
  expect(code).toBe(2);
  expect(readFileSync(`${path}.refused`, "utf8")).toBe(why.map((line) => `${line}\n`).join(""));

  const again = await run(inSqlite());
  expect(again.stderr).toContain("was imported before, so there is nothing to do");
  expect([again.code, again.stdout]).toEqual([2, stdout]);
});

test("npm run import takes the file", async () => {
  writeFileSync(path, lineOf(0));
  const npm = spawnNpmImport([path], variablesOn(inSqlite()));
  onTestFinished(npm.destroy);
  expect(await npm.exit).toBe(0);
  expect(npm.stdout()).toContain(`${path}: 1 imported, 0 already there, 0 refused`);
});

describe("a mistake ends it with exit code 1 and one clear message:", () => {
  const keysFault = (text: string) => () => {
    writeFileSync(join(folder, "keys.json"), text);
    return {};
  };
  test.each<[string, () => { words?: string[]; variables?: Record<string, string> }, RegExp]>([
    ["no file is named", () => ({ words: [] }), /^usage: npm run import -- <file>\n$/],
    ["two are", () => ({ words: ["a", "b"] }), /^usage: npm run import -- <file>\n$/],
    ["it is not there", () => ({ words: ["missing"] }), /^latchkey can't import: missing can't be read \(ENOENT\)\n$/],
    ["it is a folder", () => ({ words: [folder] }), /^latchkey can't import: \S+ is not a file\n$/],
    [
      "there is no keys file",
      () => ({ variables: { LATCHKEY_KEYS: join(folder, "none.yaml") } }),
      /none\.yaml: can't be read \(ENOENT\)/,
    ],
    [
      "the keys file names no source",
      keysFault(JSON.stringify({ keys: JSON.parse(KEYS_FILE).keys })),
      /keys\.json names no source of tokens: .*`imported:`.*docs\/import\.md\n$/,
    ],
    [
      "the keys file has a fault",
      keysFault(KEYS_FILE.replace("sha256", "sha1")),
      /keys\.json:1: imported\[0\]\.algorithm: must be one of sha256/,
    ],
    [
      "a variable has a fault",
      () => ({ variables: { LATCHKEY_STORE: "mysql://x" } }),
      /LATCHKEY_STORE must be sqlite:<path>/,
    ],
    [
      "Redis is not there",
      () => ({ variables: { LATCHKEY_STORE: "redis://127.0.0.1:1" } }),
      /^latchkey can't import: the Redis store failed: Redis at 127\.0\.0\.1:1: .*ECONNREFUSED.*\n$/,
    ],
    [
      "the progress can't be written",
      () => {
        mkdirSync(`${path}.progress`);
        return {};
      },
      /tokens\.ndjson\.progress can't be read \(EISDIR\)/,
    ],
  ])("%s", async (_, mistake, message) => {
    writeFileSync(path, lineOf(0));
    const { words, variables } = mistake();
    const { code, stdout, stderr } = await run(inSqlite(), words, variables);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(message);
  });

  test("the keys are not those of the tokens in the store", async () => {
    writeFileSync(path, lineOf(0));
    await run(inSqlite());
    rmSync(`${path}.progress`);
    const [key] = JSON.parse(KEYS_FILE).keys;
    const other = { ...key, secret: Buffer.alloc(32, "another").toString("base64") };
    writeFileSync(join(folder, "keys.json"), JSON.stringify({ ...JSON.parse(KEYS_FILE), keys: [other] }));
    const { code, stderr } = await run(inSqlite());
    expect(code).toBe(1);
    expect(stderr).toContain("holds none of the service keys that the tokens in the store were made with");
  });
});
