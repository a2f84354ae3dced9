import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { spawnNpmStart, spawnService, untilServing } from "../support/process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { createServiceClient, ROOT_TOKEN } from "../support/service.ts";

const PASSWORD = "the-right-password-of-redis";
const WRONG = "a-wrong-password-of-redis";
const KEY = Buffer.alloc(32, "the first key").toString("base64");
const OTHER_KEY = Buffer.alloc(32, "another key").toString("base64");

let folder: string;
let redis: RedisServer;
const at = (name: string) => join(folder, name);
const keysFile = (secret: string) => `keys: [{ version: 1, secret: ${secret} }]`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-start-"));
  writeFileSync(at("keys.yaml"), keysFile(KEY));
  writeFileSync(at("other-keys.yaml"), keysFile(OTHER_KEY));
  writeFileSync(at("broken.yaml"), `keys: [{ version: one, secret: ${KEY} }]`);
  writeFileSync(at("a-file"), "");
  mkdirSync(at("a-folder"));
  redis = await startRedis({ password: PASSWORD });
  const first = spawnService({
    LATCHKEY_LISTEN: "127.0.0.1:0",
    LATCHKEY_STORE: `sqlite:${at("used.db")}`,
    LATCHKEY_KEYS: at("keys.yaml"),
    LATCHKEY_ROOT_TOKEN: ROOT_TOKEN,
  });
  await untilServing(first);
  first.child.kill("SIGTERM");
  expect(await first.exit).toBe(0);
});
afterAll(async () => {
  await redis.stop();
  rmSync(folder, { recursive: true });
});

describe("a mistake ends the start with exit code 1, one clear message, no stack and no secret:", () => {
  const MISTAKES: [string, (port: number) => Record<string, string>, RegExp][] = [
    ["the port is in use", (port) => ({ LATCHKEY_LISTEN: `127.0.0.1:${port}` }), /EADDRINUSE.*LATCHKEY_LISTEN/],
    ["the keys file is a folder", () => ({ LATCHKEY_KEYS: at("a-folder") }), /a-folder: can't be read \(EISDIR\)/],
    ["the keys file can't be made", () => ({ LATCHKEY_KEYS: at("a-file/keys.yaml") }), /a-file/],
    ["the keys file has a fault", () => ({ LATCHKEY_KEYS: at("broken.yaml") }), /broken\.yaml:1: keys\[0\]\.version/],
    [
      "the keys are not those of the data",
      () => ({ LATCHKEY_STORE: `sqlite:${at("used.db")}`, LATCHKEY_KEYS: at("other-keys.yaml") }),
      /other-keys\.yaml.*holds none of the service keys/s,
    ],
    ["Redis is not there", () => ({ LATCHKEY_STORE: `redis://:${WRONG}@127.0.0.1:1` }), /Redis at 127\.0\.0\.1:1/],
    [
      "Redis's password is wrong",
      () => ({ LATCHKEY_STORE: `redis://:${WRONG}@127.0.0.1:${redis.port}` }),
      /Redis at .*WRONGPASS/,
    ],
    ["the data folder can't be made", () => ({ LATCHKEY_STORE: `sqlite:${at("a-file/latchkey.db")}` }), /a-file/],
    ["the database is none", () => ({ LATCHKEY_STORE: `sqlite:${at("keys.yaml")}` }), /not a database/],
    [
      "variables are wrong, of which all are told",
      () => ({
        LATCHKEY_LISTEN: "8080",
        LATCHKEY_STORE: `mysql://root:${WRONG}@x`,
        LATCHKEY_ROOT_TOKEN: WRONG,
        LATCHKEY_ROOT_TOKN: ROOT_TOKEN,
      }),
      /LISTEN must be host:port.*STORE must be.*ROOT_TOKEN must be 32 characters.*ROOT_TOKN is not a variable/s,
    ],
  ];

  test.concurrent.for(MISTAKES)(
    "%s",
    { timeout: 60_000 },
    async ([what, mistake, message], { expect, onTestFinished }) => {
      const service = spawnService({
        LATCHKEY_LISTEN: "127.0.0.1:0",
        LATCHKEY_STORE: `sqlite:${at(`${what}.db`)}`,
        LATCHKEY_KEYS: at("keys.yaml"),
        LATCHKEY_ROOT_TOKEN: ROOT_TOKEN,
        ...mistake(redis.port),
      });
      onTestFinished(service.destroy);
      expect(await service.exit).toBe(1);
      expect(service.stdout()).toBe("");
      const [line, ...rest] = service.stderr().trimEnd().split("\n");
      expect(line).toMatch(/^latchkey can't start: /);
      expect(service.stderr()).toMatch(message);
      expect(rest.filter((other) => !other.startsWith("  "))).toEqual([]);
      expect(service.stderr()).not.toMatch(/^ +at |node:internal|TypeError|\[object/m);
      for (const secret of [KEY, OTHER_KEY, PASSWORD, WRONG, ROOT_TOKEN]) {
        expect(service.stderr()).not.toContain(secret);
      }
    },
  );
});

test("npm start serves where and as its variables say", async () => {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const jwks = { keys: [await exportJWK(publicKey)] };
  const issuer = { issuer: "https://id.example", audiences: ["latchkey"], tenant: "acme", jwks };
  writeFileSync(at("issuers.json"), JSON.stringify({ issuers: [issuer] }));
  writeFileSync(at("kinds.yaml"), "kinds: [{ name: badge, prefix: bdg, creators: [jwt] }]");
  const service = spawnNpmStart({
    LATCHKEY_LISTEN: "127.0.0.1:0",
    LATCHKEY_STORE: redis.url,
    LATCHKEY_KEYS: at("keys.yaml"),
    LATCHKEY_ROOT_TOKEN: ROOT_TOKEN,
    LATCHKEY_KINDS: at("kinds.yaml"),
    LATCHKEY_ISSUERS: at("issuers.json"),
  });
  onTestFinished(service.destroy);
  const url = await untilServing(service);
  expect(Number(new URL(url).port)).toBeGreaterThan(0);
  expect(service.stdout()).toContain(`127.0.0.1:${redis.port}`);
  expect(service.stdout()).toContain("the one in LATCHKEY_ROOT_TOKEN");

  const jwt = await new SignJWT({ sub: "ada", scope: "latchkey:self" })
    .setProtectedHeader({ alg: "ES256" })
    .setIssuer("https://id.example")
    .setAudience("latchkey")
    .setExpirationTime("1m")
    .sign(privateKey);
  const { token, secret } = await createServiceClient(url, jwt).create({ kind: "badge" });
  expect(token).toMatchObject({ tenant: "acme", subject: "ada", creator: "acme/ada" });
  expect(secret).toMatch(/^bdg_/);
  expect((await createServiceClient(url, ROOT_TOKEN).introspect({ secret })).active).toBe(true);
  expect(await redis.admin.exists("lk:keys")).toBe(1);

  service.child.kill("SIGTERM");
  expect(await service.exit).toBe(0);
  for (const hidden of [ROOT_TOKEN, PASSWORD, KEY, jwt, secret]) {
    expect(service.stdout() + service.stderr()).not.toContain(hidden);
  }
});

test("a log that nobody reads holds nobody up: lines are dropped instead, and the service still ends", async () => {
  const service = spawnService({ LATCHKEY_LISTEN: "127.0.0.1:0", LATCHKEY_STORE: `sqlite:${at("unread.db")}` });
  onTestFinished(service.destroy);
  const url = await untilServing(service);
  service.child.stderr.pause();
  const stranger = createServiceClient(url, "nobody");
  // More than a pipe holds: each call writes a line of about 250 bytes.
  for (let round = 0; round < 20; round++) {
    const calls = Array.from({ length: 100 }, () => stranger.list({}));
    for (const { status } of await Promise.allSettled(calls)) expect(status).toBe("rejected");
  }
  expect((await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(5000) })).status).toBe(200);
  const ended = new Promise((resolve) => service.child.once("exit", (...how) => resolve(how)));
  service.child.kill("SIGTERM");
  expect(await ended).toEqual([null, "SIGKILL"]);
});
