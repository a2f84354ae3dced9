import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StatementSync } from "node:sqlite";
import { PassThrough } from "node:stream";
import zlib from "node:zlib";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { runScenario } from "../protocols/scenario.ts";
import { spawnService, untilServing } from "../support/process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { ROOT_TOKEN, startService, type TestService } from "../support/service.ts";
import { findSecrets, type Place, partsOf } from "./search.ts";
import { connectTo, PASSWORD, TRANSPORTS, Witness } from "./witness.ts";

/** Requests that go wrong in every way, with a good secret in every place where a client might put one by mistake. */
async function provokeErrors(url: string, witness: Witness, secret: string): Promise<void> {
  // Not tenant and subject: they name what is looked for, so that they stand in commands and keys as they were sent.
  const fields = ["kind", "label", "clientId", "id", "secret", "pageToken", "parentId", "etag"];
  const methods = TokenService.methods.map((method) => method.name);
  const bodies = [
    ...fields.flatMap((field) => [{ [field]: secret }, { [field]: [secret] }]),
    ...["scopes", "audiences", "kinds", "exceptIds", "updateMask", "ttl", "expireTime", "claims"].flatMap((field) => [
      { [field]: [`${secret} x`] },
      { [field]: `${secret} x` },
    ]),
    { [secret]: secret },
  ].map((body) => JSON.stringify(body));
  const authorizations = [
    `Bearer ${ROOT_TOKEN}`,
    `Bearer ${secret}`,
    `Bearer ${secret.slice(0, -1)}`,
    secret,
    `Basic ${secret}`,
  ];
  const send = async (path: string, authorization: string, body: string, type = "application/json") => {
    const headers = { authorization, "content-type": type };
    const response = await fetch(url + path, { method: "POST", headers, body });
    const answer = await response.text();
    // What somebody asks for may come back as it was sent: a label, an owner, a cursor. Only errors must keep silent.
    const content = `${JSON.stringify([...response.headers])}${response.ok ? "" : answer}`;
    witness.places.push({ name: `${response.status} for ${path}`, content });
  };
  for (const method of methods) {
    const path = `/latchkey.v1.TokenService/${method}`;
    await Promise.all([
      ...bodies.map((body) => send(path, authorizations[0] as string, body)),
      ...authorizations.map((authorization) => send(path, authorization, "{}")),
      send(path, authorizations[0] as string, `{"secret": "${secret}`),
      send(path, authorizations[0] as string, secret, "application/proto"),
      send(path, authorizations[0] as string, secret, secret),
      send(`${path}?secret=${secret}`, authorizations[0] as string, "{}"),
      send(`/${secret}/${method}`, authorizations[0] as string, "{}"),
    ]);
  }
}

describe.each(["SQLite", "Redis"])("on %s", (store) => {
  let redis: RedisServer | undefined;
  let service: TestService;
  const witness = new Witness();
  const log = new PassThrough();
  let logged = "";
  let monitored = "";
  let stopMonitor = () => {};

  beforeAll(async () => {
    log.on("data", (chunk) => {
      logged += chunk;
    });
    if (store === "Redis") {
      redis = await startRedis({ password: PASSWORD });
      const monitor = await redis.admin.monitor();
      monitor.on("monitor", (_time: string, words: string[]) => {
        monitored += `${words.join(" ")}\n`;
      });
      monitor.on("error", () => undefined);
      stopMonitor = () => monitor.disconnect();
    }
    const location = redis && { LATCHKEY_STORE: redis.url };
    service = await startService({ ...location }, { level: "debug", stream: log });
    witness.noteKeys(join(service.folder, "keys.yaml"));
    for (const protocol of Object.keys(TRANSPORTS) as (keyof typeof TRANSPORTS)[]) {
      await runScenario(connectTo(service.url, witness, protocol), ROOT_TOKEN, `tenant-${protocol}`);
    }
    const root = connectTo(service.url, witness, "gRPC")(ROOT_TOKEN);
    const { secret } = await root.create({ kind: "service", scopes: ["latchkey:root"] });
    await provokeErrors(service.url, witness, secret);
  });
  afterAll(async () => {
    stopMonitor();
    await service.close();
    await redis?.stop();
  });

  test("answers, errors, headers and trailers hold no secret but those that they issue", () => {
    expect(witness.secrets.length).toBeGreaterThan(40);
    for (const method of ["Create", "Rotate", "Exchange"]) {
      expect(witness.secrets.some(({ name }) => name.includes(`of ${method} for`))).toBe(true);
    }
    expect(witness.places.length).toBeGreaterThan(500);
    expect(witness.find()).toEqual([]);
  });

  test("the log of everything holds no secret", () => {
    expect(logged).toContain('"code":"OK"');
    for (const reason of ["CREDENTIALS_INVALID", "INVALID_REQUEST", "TOKEN_NOT_FOUND", "KIND_UNKNOWN"]) {
      expect(logged).toContain(reason);
    }
    expect(findSecrets(witness.secrets, [{ name: "the log", content: logged }])).toEqual([]);
  });

  test("the data holds no secret, nor do the commands that made it", async () => {
    const files = readdirSync(service.folder).filter((name) => name !== "keys.yaml");
    const places: Place[] = files.map((name) => ({ name, content: readFileSync(join(service.folder, name)) }));
    if (redis) {
      const { admin } = redis;
      places.push({ name: "MONITOR", content: monitored });
      for (const key of await admin.keys("*")) {
        places.push({ name: "a key's name", content: key }, { name: key, content: await admin.dumpBuffer(key) });
      }
      expect(monitored).toContain("lk:t:");
      expect(places.length).toBeGreaterThan(3);
    } else expect(files.toSorted()).toEqual(["latchkey.db", "latchkey.db-wal"]);
    expect(findSecrets(witness.secrets, places)).toEqual([]);
  });

  test("a fault of Latchkey's own is told and logged without a secret", async () => {
    const root = connectTo(service.url, witness, "gRPC")(ROOT_TOKEN);
    const { secret } = await root.create({ kind: "personal" });
    vi.spyOn(zlib, "crc32").mockImplementation(() => {
      throw new TypeError("a fault inside");
    });
    syncBuiltinESMExports();
    await expect(root.introspect({ secret })).rejects.toThrow("[internal] internal error");
    await expect(root.delete({ token: { case: "secret", value: secret } })).rejects.toThrow(
      "[internal] internal error",
    );
    vi.restoreAllMocks();
    syncBuiltinESMExports();
    expect(logged).toMatch(/"cause":"TypeError\\n +at /);
    expect(JSON.stringify(witness.places)).not.toContain("a fault inside");
    expectSilence();
  });

  test("a store that fails is told and logged without a secret", async () => {
    const caller = connectTo(service.url, witness, "gRPC");
    const root = caller(ROOT_TOKEN);
    const { secret } = await root.create({ kind: "personal" });
    if (redis) await redis.kill();
    else {
      for (const method of ["get", "run"] as const) {
        vi.spyOn(StatementSync.prototype, method).mockImplementation(() => {
          throw Object.assign(new Error("disk I/O error"), { code: "ERR_SQLITE_ERROR", errcode: 10 });
        });
      }
      onTestFinished(() => void vi.restoreAllMocks());
    }
    const calls = [
      root.introspect({ secret }),
      root.delete({ token: { case: "secret", value: secret } }),
      root.create({ kind: "personal", label: "x" }),
      caller(secret).list({}),
    ];
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(calls.map(() => "rejected"));
    expect(logged).toContain("STORE_UNAVAILABLE");
    expectSilence();
  });

  function expectSilence(): void {
    expect(witness.find()).toEqual([]);
    expect(findSecrets(witness.secrets, [{ name: "the log", content: logged }])).toEqual([]);
  }
});

test("a real process tells its new root token once, and no other secret", async () => {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-canary-"));
  const variables = {
    LATCHKEY_LISTEN: "127.0.0.1:0",
    LATCHKEY_STORE: `sqlite:${join(folder, "l.db")}`,
    LATCHKEY_LOG: "debug",
  };
  const service = spawnService(variables);
  onTestFinished(() => {
    service.destroy();
    rmSync(folder, { recursive: true });
  });
  const url = await untilServing(service);
  const rootToken = /lk_root_\w+/.exec(service.stdout())?.[0] as string;
  const witness = new Witness();
  witness.secrets.push({ name: "the made root token", text: rootToken });
  witness.noteKeys(join(folder, "keys.yaml"));
  await runScenario(connectTo(url, witness, "Connect"), rootToken, "tenant");
  service.child.kill("SIGTERM");
  expect(await service.exit).toBe(0);

  const [shown, ...others] = service
    .stdout()
    .split("\n")
    .filter((line) => line.includes(rootToken));
  expect(shown).toContain("root token");
  expect(others).toEqual([`  ROOT_TOKEN=${rootToken}`]);
  const rest = service.stdout().replaceAll(rootToken, "");
  const files = readdirSync(folder).filter((name) => name !== "keys.yaml");
  expect(files.toSorted()).toEqual(["l.db", "root-token.sha256"]);
  const places = files.map((name) => ({ name, content: readFileSync(join(folder, name)) }));
  places.push(
    { name: "stdout", content: Buffer.from(rest) },
    { name: "stderr", content: Buffer.from(service.stderr()) },
  );
  expect(service.stderr()).toContain('"code":"OK"');
  expect(witness.find()).toEqual([]);
  expect(findSecrets(witness.secrets, places)).toEqual([]);
});

test("the canary sings: a secret that is put into a place is found in every spelling", () => {
  const secret = "lk_pat_0aB0123456789abcdefAbCdEfGhIjKlMnOpQrStUvWxYz012345678901";
  const secrets = partsOf("it", secret);
  const part = secret.slice(-38, -6);
  const spellings = [
    secret,
    `{"msg":"${part}"}`,
    encodeURIComponent(secret),
    Buffer.from(secret).toString("hex"),
    Buffer.from(secret).toString("base64"),
    Buffer.from(`x${secret}`).toString("base64"),
    Buffer.from(`Authorization: Bearer ${secret} and more`).toString("base64url"),
  ];
  for (const [index, content] of spellings.entries()) {
    expect(findSecrets(secrets, [{ name: String(index), content }])).not.toEqual([]);
  }
  expect(findSecrets(secrets, [{ name: "nothing", content: secret.slice(0, 26) }])).toEqual([]);
});
