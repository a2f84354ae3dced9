import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { InactiveReason } from "#gen/latchkey/v1/token_service_pb.ts";
import { refusalOf } from "../attacks/world.ts";
import { type ServiceProcess, spawnCommand, spawnService, untilServing } from "../support/process.ts";
import { startRedis } from "../support/redis-server.ts";
import { createServiceClient, ROOT_TOKEN, type TestService } from "../support/service.ts";

const READ = '"msg":"read the keys again"';
const KEPT = '"msg":"the keys stay as they were';

const secretOf = (version: number) => Buffer.alloc(32, `the key ${version} `).toString("base64");
const keysFile = (...versions: number[]) =>
  `keys:\n${versions.map((version) => `  - { version: ${version}, secret: ${secretOf(version)} }\n`).join("")}`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-rotation-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A Latchkey in a process of its own, with a keys file of its own. */
class Instance {
  readonly process: ServiceProcess;
  readonly url: string;
  readonly root: ReturnType<TestService["client"]>;
  readonly #keysPath: string;

  private constructor(process: ServiceProcess, url: string, keysPath: string) {
    this.process = process;
    this.url = url;
    this.root = createServiceClient(url, ROOT_TOKEN);
    this.#keysPath = keysPath;
  }

  static async start(name: string, store: string): Promise<Instance> {
    const keysPath = join(folder, `${name}.yaml`);
    writeFileSync(keysPath, keysFile(1));
    const process = spawnService({
      LATCHKEY_LISTEN: "127.0.0.1:0",
      LATCHKEY_STORE: store,
      LATCHKEY_KEYS: keysPath,
      LATCHKEY_ROOT_TOKEN: ROOT_TOKEN,
    });
    onTestFinished(process.destroy);
    return new Instance(process, await untilServing(process), keysPath);
  }

  /** Writes the keys file, has it read, and waits until the log says what became of it. */
  async reload(text: string, said = READ): Promise<void> {
    const count = () => this.process.stderr().split(said).length;
    const before = count();
    writeFileSync(this.#keysPath, text);
    this.process.child.kill("SIGHUP");
    await vi.waitFor(() => expect(count()).toBe(before + 1), { timeout: 10_000, interval: 5 });
  }

  /** The key ids of its JWKS. */
  async publishedKeys(): Promise<string[]> {
    const { keys } = (await (await fetch(`${this.url}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] };
    return keys.map(({ kid }) => kid);
  }

  issue(kind: string, wish: object = {}) {
    return this.root.create({ tenant: "acme", subject: "ada", kind, scopes: ["latchkey:self"], ...wish });
  }
}

const kidOf = (jwt: string) => JSON.parse(Buffer.from(jwt.split(".")[0] as string, "base64url").toString()).kid;

test("SIGHUP has the keys file read: a new key counts, a bad file changes nothing, and no secret is logged", async () => {
  const service = await Instance.start("keys", `sqlite:${folder}/latchkey.db`);
  const scopes = ["latchkey:introspect"];
  const [opaque, jwt] = [await service.issue("service", { scopes }), await service.issue("access", { scopes })];
  const published = await service.publishedKeys();
  expect(published).toHaveLength(2);
  const expectGood = async () => {
    for (const { secret } of [opaque, jwt]) expect((await service.root.introspect({ secret })).active).toBe(true);
  };

  for (const bad of ["", keysFile(2).slice(0, -20), keysFile(2), keysFile(2, 1).replace(secretOf(1), secretOf(3))]) {
    await service.reload(bad, KEPT);
    expect(await service.publishedKeys()).toEqual(published);
    await expectGood();
  }

  await service.reload(keysFile(2, 1));
  await expectGood();
  const [current] = await service.publishedKeys();
  expect(await service.publishedKeys()).toEqual([current, expect.any(String), ...published]);
  expect(kidOf((await service.issue("access")).secret)).toBe(current);

  // Whoever is remembered as a caller goes with the key.
  const callers = [opaque, jwt].map(({ secret }) => createServiceClient(service.url, secret));
  for (const caller of callers) await caller.introspect({ secret: "nobody's" });
  await service.reload(keysFile(2));
  for (const caller of callers) {
    const refused = refusalOf(caller.introspect({ secret: "nobody's" }));
    expect(await refused).toBe("Unauthenticated CREDENTIALS_INVALID");
  }
  for (const { secret } of [opaque, jwt]) {
    expect(await service.root.introspect({ secret })).toMatchObject({ active: false, reason: InactiveReason.UNKNOWN });
  }

  service.process.child.kill("SIGTERM");
  expect(await service.process.exit).toBe(0);
  const said = service.process.stdout() + service.process.stderr();
  for (const hidden of [secretOf(1), secretOf(2), secretOf(3), opaque.secret, jwt.secret, ROOT_TOKEN]) {
    expect(said).not.toContain(hidden);
  }
});

test("a terminal that closes takes the service with it, as before there was anything to read again", async () => {
  const command = `exec ${process.execPath} ${join(import.meta.dirname, "../../src/main.ts")}`;
  const terminal = spawnCommand("script", ["-qfc", command, "/dev/null"], {
    LATCHKEY_LISTEN: "127.0.0.1:0",
    LATCHKEY_STORE: `sqlite:${folder}/latchkey.db`,
  });
  onTestFinished(terminal.destroy);
  const url = await untilServing(terminal);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  terminal.child.kill("SIGKILL");
  await vi.waitFor(() => expect(fetch(`${url}/healthz`)).rejects.toThrow(), { timeout: 5000 });
});

/** Every way in which a token made through one instance must be good through the other. */
class Crossing {
  readonly #long: string[] = [];
  readonly failures: string[] = [];
  rounds = 0;
  #isStopped = false;
  readonly done: Promise<void>;

  constructor(one: Instance, other: Instance) {
    this.done = this.#run([one, other]);
  }

  /** Lets so many rounds begin and end. */
  async pass(rounds: number): Promise<void> {
    const goal = this.rounds + rounds + 1;
    await vi.waitFor(() => expect(this.rounds).toBeGreaterThanOrEqual(goal), { timeout: 30_000, interval: 5 });
  }

  /** From now on the tokens from before don't matter. */
  forget(): void {
    this.#long.length = 0;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.done;
  }

  async #run(instances: [Instance, Instance]): Promise<void> {
    for (let [maker, checker] = instances; !this.#isStopped; [maker, checker] = [checker, maker]) {
      await this.#cross(maker, checker).catch((error) => this.failures.push(String(error)));
      this.rounds++;
    }
  }

  async #cross(maker: Instance, checker: Instance): Promise<void> {
    const request = { requestId: randomUUID() };
    const [opaque, jwt] = [await maker.issue("service", request), await maker.issue("access")];
    for (const { secret } of [opaque, jwt]) {
      await this.#judge(checker, secret);
      await createServiceClient(checker.url, secret).list({});
    }
    const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", checker.url));
    await jwtVerify(jwt.secret, keys, { issuer: "latchkey", typ: "at+jwt" });
    const repeated = await checker.issue("service", request);
    if (repeated.secret !== opaque.secret) this.failures.push("a repeated request had another secret");
    const page = await maker.root.list({ tenant: "acme", subject: "ada", pageSize: 1 });
    await checker.root.list({ tenant: "acme", subject: "ada", pageSize: 1, pageToken: page.nextPageToken });

    this.#long.push(opaque.secret, jwt.secret);
    for (const secret of [...this.#long.slice(0, 4), ...this.#long.slice(-4)]) await this.#judge(checker, secret);
  }

  async #judge(checker: Instance, secret: string): Promise<void> {
    const { active, reason } = await checker.root.introspect({ secret });
    if (!active) this.failures.push(`inactive, for the reason ${reason}`);
  }
}

describe("on two instances with one Redis", { timeout: 120_000 }, () => {
  async function startTwo(): Promise<[Instance, Instance]> {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    return Promise.all([Instance.start("one", redis.url), Instance.start("other", redis.url)]);
  }

  test("the key is changed while every token goes on to work through both, at every moment", async () => {
    const [one, other] = await startTwo();
    const crossing = new Crossing(one, other);
    await crossing.pass(4);
    // The steps of docs/files.md, each with a moment at which one instance has it behind it and the other one before it.
    for (const versions of [
      [1, 2],
      [2, 1],
    ]) {
      for (const instance of [one, other]) {
        await instance.reload(keysFile(...versions));
        await crossing.pass(4);
      }
    }
    // Here the tokens of the first key would have expired.
    crossing.forget();
    await crossing.pass(2);
    for (const instance of [one, other]) {
      await instance.reload(keysFile(2));
      await crossing.pass(4);
    }
    await crossing.stop();
    expect(crossing.failures).toEqual([]);
    expect(crossing.rounds).toBeGreaterThanOrEqual(30);
    expect(await one.publishedKeys()).toEqual(await other.publishedKeys());
    expect(await one.publishedKeys()).toHaveLength(2);
  });

  test("an instance that was forgotten says that it can't tell, and never that a token is not good", async () => {
    const [one, other] = await startTwo();
    await one.reload(keysFile(2, 1));
    for (const kind of ["service", "access"]) {
      const { secret } = await one.issue(kind);
      expect(await refusalOf(other.root.introspect({ secret }))).toBe("Unavailable KEY_MISSING");
      expect(await refusalOf(createServiceClient(other.url, secret).list({}))).toBe("Unavailable KEY_MISSING");
    }
    await other.reload(keysFile(2, 1));
    const { secret } = await one.issue("access");
    expect((await other.root.introspect({ secret })).active).toBe(true);
  });
});
