import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
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
  writeFileSync(at("broken-keys.yaml"), `keys: [{ version: one, secret: ${KEY} }]`);
  writeFileSync(at("short-keys.yaml"), `keys: [{ version: 1, secret: ${KEY.slice(0, 20)} }]`);
  writeFileSync(at("broken-kinds.yaml"), "kinds: [{ name: x, prefix: yy, lifetime: 1h }]");
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

async function listenSomewhere(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

describe("a mistake ends the start with exit code 1, one clear message, no stack and no secret:", () => {
  const MISTAKES: [string, (port: number) => Record<string, string>, RegExp][] = [
    ["the port is in use", (port) => ({ LATCHKEY_LISTEN: `127.0.0.1:${port}` }), /EADDRINUSE.*LATCHKEY_LISTEN/],
    ["the address is none", () => ({ LATCHKEY_LISTEN: "8080" }), /LATCHKEY_LISTEN must be host:port/],
    ["the keys file is a folder", () => ({ LATCHKEY_KEYS: at("a-folder") }), /a-folder: can't be read \(EISDIR\)/],
    ["the keys file can't be there", () => ({ LATCHKEY_KEYS: at("a-file/keys.yaml") }), /a-file\/keys\.yaml/],
    [
      "the keys file has a fault",
      () => ({ LATCHKEY_KEYS: at("broken-keys.yaml") }),
      /broken-keys\.yaml:1: keys\[0\]\.version/,
    ],
    [
      "a key is too short",
      () => ({ LATCHKEY_KEYS: at("short-keys.yaml") }),
      /keys\[0\]\.secret: must be 32 random bytes/,
    ],
    [
      "the keys are not those of the data",
      () => ({ LATCHKEY_KEYS: at("other-keys.yaml") }),
      /holds none of the service keys/,
    ],
    [
      "the kinds file has a fault",
      () => ({ LATCHKEY_KINDS: at("broken-kinds.yaml") }),
      /broken-kinds\.yaml:1: .*lifetime/,
    ],
    [
      "the issuers file is missing",
      () => ({ LATCHKEY_ISSUERS: at("issuers.yaml") }),
      /issuers\.yaml: can't be read \(ENOENT\)/,
    ],
    ["Redis is not there", () => ({ LATCHKEY_STORE: `redis://:${WRONG}@127.0.0.1:1` }), /Redis at 127\.0\.0\.1:1/],
    ["Redis's password is wrong", () => ({ LATCHKEY_STORE: `redis://:${WRONG}@127.0.0.1:${redis.port}` }), /WRONGPASS/],
    ["Redis's password is missing", () => ({ LATCHKEY_STORE: `redis://127.0.0.1:${redis.port}` }), /NOAUTH/],
    ["the store's location is none", () => ({ LATCHKEY_STORE: `mysql://root:${WRONG}@x` }), /LATCHKEY_STORE must be/],
    [
      "the root token is too short",
      () => ({ LATCHKEY_ROOT_TOKEN: WRONG }),
      /LATCHKEY_ROOT_TOKEN must have 32 characters/,
    ],
    [
      "a variable is not Latchkey's",
      () => ({ LATCHKEY_ROOT_TOKN: ROOT_TOKEN }),
      /LATCHKEY_ROOT_TOKN is not a variable/,
    ],
    ["the data folder can't be written", () => ({ LATCHKEY_STORE: `sqlite:${at("a-file/latchkey.db")}` }), /a-file/],
    ["the database is a folder", () => ({ LATCHKEY_STORE: `sqlite:${at("a-folder")}` }), /a-folder/],
    ["the database is none", () => ({ LATCHKEY_STORE: `sqlite:${at("keys.yaml")}` }), /keys\.yaml/],
  ];

  test.concurrent.for(MISTAKES)("%s", { timeout: 30_000 }, async ([, mistake, message], { expect }) => {
    const port = await listenSomewhere();
    const service = spawnService({
      LATCHKEY_LISTEN: "127.0.0.1:0",
      LATCHKEY_STORE: `sqlite:${at("used.db")}`,
      LATCHKEY_KEYS: at("keys.yaml"),
      LATCHKEY_ROOT_TOKEN: ROOT_TOKEN,
      ...mistake(port),
    });
    expect(await service.exit).toBe(1);
    expect(service.stdout()).toBe("");
    const [line, ...rest] = service.stderr().trimEnd().split("\n");
    expect(line).toMatch(/^latchkey can't start: /);
    expect(service.stderr()).toMatch(message);
    expect(rest.filter((other) => !other.startsWith("  "))).toEqual([]);
    expect(service.stderr()).not.toMatch(/^ +at |node:internal|TypeError|\[object/m);
    for (const secret of [KEY, KEY.slice(0, 20), OTHER_KEY, PASSWORD, WRONG, ROOT_TOKEN]) {
      expect(service.stderr()).not.toContain(secret);
    }
  });
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
  onTestFinished(() => void service.child.kill("SIGKILL"));
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
