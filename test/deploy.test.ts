import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { END_TIMEOUT } from "../src/workers/worker-pool.ts";
import { findShell, page } from "./operations/page.ts";
import { buildImage, type Image } from "./support/image.ts";
import { spawnCommand, untilServing } from "./support/process.ts";
import { startRedisNode } from "./support/redis-node.ts";

// What lies in deploy/, with processes in the place of containers.

const root = join(import.meta.dirname, "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const { version, engines, devDependencies } = JSON.parse(read("package.json"));

const compose = parse(read("deploy/compose.yaml"));
const manifests = parseAllDocuments(read("deploy/kubernetes.yaml"), { version: "1.1" }).map((file) => file.toJS());
const manifest = (kind: string) => {
  const found = manifests.filter((one) => one.kind === kind);
  expect(found, `one ${kind}`).toHaveLength(1);
  return found[0];
};
const pod = manifest("Deployment").spec.template.spec;
const [container] = pod.containers;

let folder: string;
let secrets: string;
let image: Image;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-deploy-"));
  mkdirSync(join(folder, "deploy"));
  execFileSync("bash", ["-euo", "pipefail", "-c", findShell("users.acl")], { cwd: folder });
  secrets = join(folder, "deploy/secrets");
  image = buildImage(folder);
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true }));

/** What an env_file, or the Secret that is made of one, says. */
function readVariables(file: string): Record<string, string> {
  const lines = readFileSync(join(secrets, file), "utf8").trim().split("\n");
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}

/** The Redis of the compose file, in a process; ends with the test. */
async function startRedis() {
  const [program, ...words] = compose.services.redis.command.map((word: string) =>
    word.replace(/^\/run\/secrets\/(.+)/, (_, name) => secretFile(compose.services.redis, name)),
  );
  expect(program).toBe("redis-server");
  const redis = await startRedisNode({
    folder: mkdtempSync(join(folder, "redis-")),
    password: readVariables("redis.env").REDISCLI_AUTH,
    tls: undefined,
    configure: () => directivesIn(words),
  });
  onTestFinished(redis.stop);
  return redis;
}

/** What a command line of redis-server says, as lines of redis.conf. */
function directivesIn(words: readonly string[]): [name: string, value: string][] {
  return Array.from({ length: words.length / 2 }, (_, index) => {
    const [name = "", value = ""] = words.slice(2 * index);
    expect(name).toMatch(/^--/);
    return [name.slice(2), value];
  });
}

/** The file on this machine that a service of the compose file sees below /run/secrets. */
function secretFile(service: { secrets: string[] }, name: string): string {
  expect(service.secrets).toContain(name);
  return join(folder, "deploy", compose.secrets[name].file);
}

/** What runs in the image with these variables, at another port, and on this Redis in the place of that in LATCHKEY_STORE. */
async function startLatchkey(variables: Record<string, string>, redis: { port: number }) {
  expect(variables.LATCHKEY_STORE).toMatch(/^redis:\/\/latchkey:\w+@redis:6379$/);
  const [program, ...words] = image.command;
  expect(program).toBe("node");
  const before = listFiles(image.folder);
  const latchkey = spawnCommand(
    process.execPath,
    words,
    {
      ...image.variables,
      ...variables,
      LATCHKEY_LISTEN: "127.0.0.1:0",
      LATCHKEY_STORE: variables.LATCHKEY_STORE?.replace("redis:6379", `127.0.0.1:${redis.port}`) as string,
    },
    image.folder,
  );
  onTestFinished(latchkey.destroy);
  const url = await untilServing(latchkey);
  const status = async (path: string) => (await fetch(url + path)).status;
  const warnings = () => latchkey.stderr().match(/^.*"level":[456]0.*$/gm) ?? [];
  // Its file system is read only.
  const expectUntouched = () => expect(listFiles(image.folder)).toEqual(before);
  return { ...latchkey, url, status, warnings, expectUntouched };
}

function listFiles(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: "utf8" }).filter((name) => !name.startsWith("node_modules"));
}

test("the image has the Node, the version and the user that the rest counts on", () => {
  expect(image.base).toBe("node:24-slim");
  expect(engines.node).toBe(">=24");
  expect(devDependencies.node).toMatch(/^24\./);
  expect(image.user).toBe(String(pod.securityContext.runAsUser));
  const tags = [read("deploy/Dockerfile"), read("deploy/compose.yaml"), read("deploy/kubernetes.yaml"), page].flatMap(
    (text) => [...text.matchAll(/\blatchkey:(\d[\w.]*)/g)].map(([, tag]) => tag),
  );
  expect(tags.length).toBeGreaterThanOrEqual(4);
  expect(new Set(tags)).toEqual(new Set([version]));
});

test("the lines that make the secrets make them for their owner alone, each time others, and git leaves them out", () => {
  expect(statSync(secrets).mode & 0o777).toBe(0o700);
  expect(read(".gitignore").split("\n")).toContain("deploy/secrets/");
  const again = mkdtempSync(join(folder, "again-"));
  mkdirSync(join(again, "deploy"));
  execFileSync("bash", ["-euo", "pipefail", "-c", findShell("users.acl")], { cwd: again });
  for (const file of readdirSync(secrets)) {
    expect(readFileSync(join(again, "deploy/secrets", file), "utf8"), file).not.toBe(
      readFileSync(join(secrets, file), "utf8"),
    );
  }
});

describe("compose.yaml", { timeout: 60_000 }, () => {
  const { latchkey } = compose.services;

  async function start() {
    const redis = await startRedis();
    const variables = { ...readVariables(basename(latchkey.env_file)), ...latchkey.environment };
    const keys = /^\/run\/secrets\/(.+)/.exec(variables.LATCHKEY_KEYS)?.[1] as string;
    const service = await startLatchkey({ ...variables, LATCHKEY_KEYS: secretFile(latchkey, keys) }, redis);
    return { redis, service };
  }

  test("starts, under LATCHKEY_STRICT and without a warning, and writes nothing but its store", async () => {
    const { service } = await start();
    expect(latchkey.environment.LATCHKEY_STRICT).toBe("1");
    const { LATCHKEY_ROOT_TOKEN } = readVariables("latchkey.env");
    const created = await fetch(`${service.url}/latchkey.v1.TokenService/Create`, {
      method: "POST",
      headers: { authorization: `Bearer ${LATCHKEY_ROOT_TOKEN}`, "content-type": "application/json" },
      body: JSON.stringify({ subject: "ada", kind: "personal" }),
    });
    expect(await created.json()).toMatchObject({ secret: expect.stringMatching(/^lk_pat_/) });
    const asked = performance.now();
    service.child.kill("SIGTERM");
    expect(await service.exit).toBe(0);
    expect(performance.now() - asked).toBeLessThan(Number.parseInt(latchkey.stop_grace_period, 10) * 1000);
    expect(service.warnings()).toEqual([]);
    service.expectUntouched();
  });

  test("asks for its health where it is answered", async () => {
    const { redis, service } = await start();
    const [kind, , ...words] = latchkey.healthcheck.test;
    expect(kind).toBe("CMD");
    expect(words.join(" ")).toContain(`127.0.0.1:${image.port}/`);
    const check = async () => {
      const line = words.map((word: string) => word.replace(`127.0.0.1:${image.port}`, new URL(service.url).host));
      return (await once(spawn(process.execPath, line, { stdio: "ignore" }), "exit"))[0];
    };
    expect(await check()).toBe(0);
    await redis.kill();
    await vi.waitFor(async () => expect(await check()).toBe(1), 10_000);
  });

  test("publishes the port on this machine only, and has a place for all that it names", () => {
    expect(latchkey.ports).toEqual([`127.0.0.1:8080:${image.port}`]);
    expect(image.variables.LATCHKEY_LISTEN).toBe(`0.0.0.0:${image.port}`);
    for (const service of Object.values<{ secrets: string[]; env_file: string }>(compose.services)) {
      for (const name of service.secrets) expect(readdirSync(secrets)).toContain(basename(secretFile(service, name)));
      expect(readdirSync(secrets)).toContain(basename(service.env_file));
    }
    const volumes = compose.services.redis.volumes.map((volume: string) => volume.split(":"));
    expect(volumes).toEqual([[expect.any(String), "/data"]]);
    expect(Object.keys(compose.volumes)).toEqual([volumes[0][0]]);
    expect(Number.parseInt(latchkey.stop_grace_period, 10) * 1000).toBeGreaterThan(END_TIMEOUT + 500);
  });
});

describe("kubernetes.yaml", { timeout: 60_000 }, () => {
  /** The Secrets that the page has made, each with what it is made of. */
  const made = new Map(
    [...page.matchAll(/^kubectl create secret generic (\S+) --from-(env-)?file=deploy\/secrets\/(\S+)$/gm)].map(
      ([, name = "", isVariables, file = ""]) => [name, { isVariables: isVariables !== undefined, file }],
    ),
  );

  async function start(others: Record<string, string> = {}) {
    const redis = await startRedis();
    const sources = container.envFrom.map(({ configMapRef, secretRef }: Record<string, { name: string }>) => {
      if (configMapRef) {
        expect(configMapRef.name).toBe(manifest("ConfigMap").metadata.name);
        return manifest("ConfigMap").data;
      }
      expect(made.get(secretRef?.name as string)).toMatchObject({ isVariables: true });
      return readVariables(made.get(secretRef?.name as string)?.file as string);
    });
    const variables = Object.assign({}, ...sources);
    const { secretName } = pod.volumes.find(({ name }: { name: string }) => name === "keys").secret;
    const { mountPath } = container.volumeMounts.find(({ name }: { name: string }) => name === "keys");
    const { file, isVariables } = made.get(secretName) as { file: string; isVariables: boolean };
    expect(isVariables).toBe(false);
    expect(variables.LATCHKEY_KEYS).toBe(`${mountPath}/${file}`);
    const service = await startLatchkey({ ...variables, LATCHKEY_KEYS: join(secrets, file), ...others }, redis);
    return { redis, service, variables };
  }

  test("starts, under LATCHKEY_STRICT and without a warning, and its probes tell a dead process from a lost Redis", async () => {
    const { redis, service, variables } = await start();
    const { startupProbe, livenessProbe, readinessProbe } = container;
    const paths = [startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path);
    expect(await Promise.all(paths.map(service.status))).toEqual([200, 200, 200]);
    expect(variables.LATCHKEY_STRICT).toBe("1");
    expect(service.warnings()).toEqual([]);
    service.expectUntouched();
    await redis.kill();
    await vi.waitFor(async () => expect(await service.status(readinessProbe.httpGet.path)).toBe(503), 10_000);
    expect(await service.status(livenessProbe.httpGet.path)).toBe(200);
    // An answer of /readyz takes up to a second.
    expect(readinessProbe.timeoutSeconds).toBeGreaterThan(1);
  });

  test("a pod that ends is not ready at once, serves for the drain delay, and is gone before it is killed", async () => {
    const { service, variables } = await start({ LATCHKEY_DRAIN_DELAY: "2" });
    service.child.kill("SIGTERM");
    await vi.waitFor(async () => expect(await service.status(container.readinessProbe.httpGet.path)).toBe(503), 1000);
    expect(await service.status(container.livenessProbe.httpGet.path)).toBe(200);
    expect(await service.exit).toBe(0);
    const drainDelay = Number(variables.LATCHKEY_DRAIN_DELAY) * 1000;
    expect(drainDelay).toBeGreaterThan(0);
    expect(pod.terminationGracePeriodSeconds * 1000).toBeGreaterThan(drainDelay + END_TIMEOUT + 500);
  });

  test("whatever refers to something refers to what is there", () => {
    const { labels } = manifest("Deployment").spec.template.metadata;
    const selectors = [
      manifest("Deployment").spec.selector.matchLabels,
      pod.topologySpreadConstraints[0].labelSelector.matchLabels,
      manifest("PodDisruptionBudget").spec.selector.matchLabels,
      manifest("Service").spec.selector,
    ];
    for (const selector of selectors) expect(selector).toEqual(labels);

    const [port, ...others] = container.ports;
    expect(others).toEqual([]);
    expect(port.containerPort).toBe(image.port);
    const [served] = manifest("Service").spec.ports;
    const { startupProbe, livenessProbe, readinessProbe } = container;
    const named = [startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.port);
    expect(new Set([...named, served.targetPort])).toEqual(new Set([port.name]));

    expect([...made.values()].map(({ file }) => file).sort()).toEqual(["keys.yaml", "latchkey.env"]);
    for (const { file } of made.values()) expect(readdirSync(secrets)).toContain(file);
    expect(manifest("PodDisruptionBudget").spec.maxUnavailable).toBeLessThan(manifest("Deployment").spec.replicas);
    // The files of the Secret are readable by the group, which is that of the process.
    expect(pod.volumes[0].secret.defaultMode).toBe(0o440);
    expect(pod.securityContext.fsGroup).toBe(pod.securityContext.runAsGroup);
  });
});
