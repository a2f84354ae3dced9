import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { describe, expect, onTestFinished, test } from "vitest";
import { InactiveReason } from "#gen/latchkey/v1/token_service_pb.ts";
import { untilServing } from "../support/process.ts";
import { startRedis } from "../support/redis-server.ts";
import { createServiceClient } from "../support/service.ts";
import { Cluster, makeFolder, spawnCluster } from "./cluster.ts";

test("all workers serve one port, with connections dealt out in turn and one log of whole lines", async () => {
  const cluster = await Cluster.start({ LATCHKEY_WORKERS: "3" });
  for (const client of cluster.clients(4, 3)) await client.create({ kind: "service", subject: "ada" });
  await cluster.until(() => expect(cluster.linesOf("call")).toHaveLength(12));

  const calls = cluster.linesOf("call");
  for (const [worker, pid] of cluster.pids()) {
    expect(calls.filter((call) => call.worker === worker && call.pid === pid)).toHaveLength(4);
  }
  expect(new Set([cluster.process.child.pid, ...calls.map(({ pid }) => pid)]).size).toBe(4);
  const primary = cluster.lines().filter(({ pid }) => pid === cluster.process.child.pid);
  expect(primary.filter(({ worker }) => worker !== undefined)).toEqual([]);
  expect(primary.at(-1)).toMatchObject({ msg: "serving", url: cluster.url, workers: 3 });
  expect(cluster.process.stdout().match(/serves on/g)).toHaveLength(1);
});

test("what one worker does counts in the others at once", async () => {
  const cluster = await Cluster.start();
  const [one, other] = [cluster.client(), cluster.client()];
  const { secret } = await one.create({ kind: "service", subject: "ada", scopes: ["latchkey:self"] });
  const [byOne, byOther] = [cluster.client(secret), cluster.client(secret)];
  for (const client of [byOne, byOther]) await client.list({});
  expect((await other.introspect({ secret })).active).toBe(true);
  await one.delete({ token: { case: "secret", value: secret } });
  expect((await other.introspect({ secret })).active).toBe(false);
  for (const client of [byOne, byOther]) await expect(client.list({})).rejects.toThrow("unauthenticated");
});

test("the first start makes one keys file and one root token, which every worker takes, and the second start none", async () => {
  const { redis, folder, ...first } = await Cluster.start({ LATCHKEY_ROOT_TOKEN: "" });
  const [token = "", ...others] = first.process.stdout().match(/(?<=root token +)lk_root_\w+/g) ?? [];
  expect(others).toEqual([]);
  expect(readdirSync(join(folder, "data")).sort()).toEqual(["keys.yaml", "root-token.sha256"]);
  for (let worker = 0; worker < 2; worker++) await createServiceClient(first.url, token).list({});
  first.process.child.kill("SIGTERM");
  expect(await first.process.exit).toBe(0);

  const second = spawnCluster(folder, redis.url, { LATCHKEY_ROOT_TOKEN: "" });
  const url = await untilServing(second);
  for (let worker = 0; worker < 2; worker++) await createServiceClient(url, token).list({});
  expect(second.stdout()).toContain("made at the first start");
  expect(first.process.stderr() + second.stdout() + second.stderr()).not.toContain("lk_root_");
});

test("kinds, issuers and sources of imported tokens get to the workers as the files say", async () => {
  const folder = makeFolder();
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: "a" }] };
  const write = (name: string, content: unknown) => {
    writeFileSync(join(folder, name), JSON.stringify(content));
    return join(folder, name);
  };
  write("old.json", jwks);
  const cluster = await Cluster.start({
    LATCHKEY_KINDS: write("kinds.json", {
      kinds: [{ name: "badge", prefix: "bdg", creators: ["jwt"], max_lifetime: "1 month" }],
    }),
    LATCHKEY_ISSUERS: write("issuers.json", {
      issuers: [
        {
          issuer: "https://id.example",
          audiences: ["latchkey"],
          tenant: "acme",
          jwks,
          scope_mapping: { me: ["latchkey:self"] },
        },
      ],
    }),
    LATCHKEY_KEYS: write("keys.json", {
      keys: [{ version: 1, secret: Buffer.alloc(32, "key").toString("base64") }],
      imported: [
        { name: "digests", type: "digest", algorithm: "hmac-sha256", secret: Buffer.alloc(32, 7).toString("base64") },
        { name: "jwts", type: "jwt", algorithm: "ES256", jwks_file: "old.json" },
      ],
    }),
  });
  const jwt = await new SignJWT({ sub: "ada", scope: "me" })
    .setProtectedHeader({ alg: "ES256", kid: "a" })
    .setIssuer("https://id.example")
    .setAudience("latchkey")
    .setExpirationTime("1m")
    .sign(privateKey);
  for (let worker = 0; worker < 2; worker++) {
    const { token, secret } = await cluster.client(jwt).create({ kind: "badge" });
    expect(token).toMatchObject({ tenant: "acme", subject: "ada", kind: "badge" });
    expect(secret).toMatch(/^bdg_/);
  }
  // A wrong signature is told from an unknown token only by who has the source's keys.
  const old = await new SignJWT({ jti: "a" }).setProtectedHeader({ alg: "ES256", kid: "a" }).sign(privateKey);
  const wrong = `${old.slice(0, -20)}${"A".repeat(20)}`;
  for (const client of cluster.clients(1, 2)) {
    expect(await client.introspect({ secret: old })).toMatchObject({ reason: InactiveReason.UNKNOWN });
    expect(await client.introspect({ secret: wrong })).toMatchObject({ reason: InactiveReason.SIGNATURE });
  }
});

describe("what can't start ends with exit code 1 and the one message of a single process:", () => {
  async function endOf(folder: string, store: string, variables: Record<string, string> = {}) {
    const service = spawnCluster(folder, store, variables);
    const code = await service.exit;
    const told = service
      .stderr()
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("{"));
    return { code, told, stdout: service.stdout() };
  }

  test("Redis is not there", async () => {
    expect(await endOf(makeFolder(), "redis://127.0.0.1:1")).toEqual({
      code: 1,
      told: [
        expect.stringMatching(/^latchkey can't start: the Redis store failed: Redis at 127\.0\.0\.1:1: .*ECONNREFUSED/),
      ],
      stdout: "",
    });
  });

  test("SQLite serves one process", async () => {
    expect(await endOf(makeFolder(), "sqlite:tokens.db")).toEqual({
      code: 1,
      told: [
        "latchkey can't start: wrong configuration in the environment:",
        expect.stringMatching(/^ {2}LATCHKEY_WORKERS must be 1 or auto where LATCHKEY_STORE is sqlite:<path>/),
      ],
      stdout: "",
    });
  });

  test("the port is taken, and then no root token was made", async () => {
    const redis = await startRedis();
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      blocker.close();
      return redis.stop();
    });
    const { port } = blocker.address() as { port: number };
    const folder = makeFolder();
    const variables = { LATCHKEY_LISTEN: `127.0.0.1:${port}`, LATCHKEY_ROOT_TOKEN: "" };
    expect(await endOf(folder, redis.url, variables)).toEqual({
      code: 1,
      told: [expect.stringMatching(/^latchkey can't start: .*EADDRINUSE.*LATCHKEY_LISTEN to another/)],
      stdout: "",
    });
    expect(existsSync(join(folder, "data/root-token.sha256"))).toBe(false);
  });

  test("the keys are not those of the data", async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const first = spawnCluster(makeFolder(), redis.url);
    await untilServing(first);
    const folder = makeFolder();
    expect(await endOf(folder, redis.url)).toMatchObject({
      code: 1,
      told: [expect.any(String), expect.stringMatching(/^ {2}is not there; without the right keys/)],
    });
    expect(existsSync(join(folder, "data/keys.yaml"))).toBe(false);
  });
});
