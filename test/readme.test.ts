import { execFile, spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { MAX_AGE } from "../src/auth/caller-cache.ts";
import { readIssuersFile } from "../src/config/issuers-file.ts";
import { readKeysFile } from "../src/config/keys-file.ts";
import { readKindsFile } from "../src/config/kinds-file.ts";
import { kindsSchema } from "../src/config/kinds-schema.ts";
import { builtInKinds } from "../src/domain/kinds.ts";
import { openPage } from "./support/browser.ts";
import { createServiceClient, startService } from "./support/service.ts";

// Everything in README.md and docs/files.md that can be run is run, as it stands there.

const root = join(import.meta.dirname, "..");
const readme = readFileSync(join(root, "README.md"), "utf8");
const files = readFileSync(join(root, "docs/files.md"), "utf8");
const blocks = [...`${readme}\n${files}`.matchAll(/^```(\w+)\n(.*?)^```/gms)].map(([, language = "", code = ""]) => ({
  language,
  code,
}));
const run = promisify(execFile);

let folder: string;
let modules: string;
let service: Awaited<ReturnType<typeof startAsReadmeSays>>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-readme-"));
  // Inside the project, so that the imports of the README's modules find its packages.
  mkdirSync(join(root, ".vitest"), { recursive: true });
  modules = mkdtempSync(join(root, ".vitest/readme-"));
  service = await startAsReadmeSays();
});

afterAll(async () => {
  service.process.kill("SIGTERM");
  const [code] = await once(service.process, "exit");
  rmSync(folder, { recursive: true });
  rmSync(modules, { recursive: true });
  expect(code).toBe(0);
});

/** Runs the README's first command (the packages are installed already) and reads what it prints. */
async function startAsReadmeSays() {
  const command = findBlock("sh", "npm start").replace("npm ci && ", "");
  const variables = { LATCHKEY_LISTEN: "127.0.0.1:0", LATCHKEY_STORE: `sqlite:${join(folder, "latchkey.db")}` };
  const process = spawn("bash", ["-c", `exec ${command}`], {
    cwd: root,
    env: { ...globalThis.process.env, ...variables },
  });
  let printed = "";
  process.stdout.on("data", (chunk) => (printed += chunk));
  await vi.waitFor(() => expect(printed).toContain("the same with grpcurl"), { timeout: 15_000 });
  const url = /serves on (http:\S+)/.exec(printed)?.[1] ?? "";
  const rootToken = /lk_root_\w+/.exec(printed)?.[0] ?? "";
  return { process, printed, url, address: new URL(url).host, rootToken };
}

function findBlock(language: string, part: string): string {
  const found = blocks.filter((block) => block.language === language && block.code.includes(part));
  expect(found, `one ${language} block with ${part}`).toHaveLength(1);
  return found[0]?.code.trim() ?? "";
}

/** Runs shell lines as they stand, but for the address. */
async function runShell(code: string): Promise<string> {
  const path = [join(root, "test/support"), join(root, "node_modules/.bin"), process.env.PATH].join(delimiter);
  const script = code.replaceAll("127.0.0.1:8080", service.address);
  const { stdout } = await run("bash", ["-euo", "pipefail", "-c", script], {
    cwd: root,
    env: { ...process.env, PATH: path, ROOT_TOKEN: service.rootToken },
  });
  return stdout;
}

function writeModule(part: string): string {
  const code = findBlock("ts", part);
  const path = join(modules, /^\/\/ (\S+)/.exec(code)?.[1] ?? "");
  writeFileSync(path, code);
  return path;
}

test("npm test is the command that CI runs", () => {
  findBlock("sh", "npm ci && npm test");
  const ci = readFileSync(join(root, ".ci/run"), "utf8");
  expect(ci).toContain("npm ci\n");
  expect(ci).toContain("npm test\n");
});

test("the lines that npm start prints create and introspect a token", async () => {
  const lines = service.printed.slice(service.printed.indexOf("  ROOT_TOKEN="));
  const printed = await runShell(lines);
  const answers = printed
    .trim()
    .split(/(?<=\})\n+(?=\{)/)
    .map((text) => JSON.parse(text));
  expect(answers).toMatchObject([
    { secret: expect.stringMatching(/^lk_pat_/) },
    { active: true, token: { subject: "ada", scopes: ["repo:read"] } },
    { secret: expect.stringMatching(/^lk_pat_/) },
    { active: true, token: { subject: "ada", label: "laptop" } },
  ]);
});

test("curl creates a token", async () => {
  const answer = JSON.parse(await runShell(findBlock("sh", "laptop")));
  expect(answer).toMatchObject({ token: { label: "laptop" }, secret: expect.stringMatching(/^lk_pat_/) });
});

test("curl exchanges a link for a session", async () => {
  const answer = JSON.parse(await runShell(findBlock("sh", "Exchange")));
  expect(answer).toMatchObject({
    token: { kind: "session", life: "28800s" },
    secret: expect.stringMatching(/^lk_ses_/),
  });
});

test("grpcurl lists the services by reflection alone", async () => {
  const names = (await runShell(findBlock("sh", "8080 list"))).trim().split("\n");
  expect(names).toContain("latchkey.v1.TokenService");
});

test("grpcurl creates a token by reflection alone", async () => {
  const answer = JSON.parse(await runShell(findBlock("sh", "plaintext -H")));
  expect(answer.secret).toMatch(/^lk_pat_/);
});

test("a microservice introspects", async () => {
  const client = createServiceClient(service.url, service.rootToken);
  const { secret } = await client.create({ kind: "session", subject: "ada", scopes: ["repo:read"] });
  const orders = await client.create({ kind: "service", subject: "orders", scopes: ["latchkey:introspect"] });
  process.env.TOKEN_SERVICE = service.address;
  process.env.SERVICE_TOKEN = orders.secret;
  const { introspect } = await import(writeModule("@grpc/grpc-js"));
  expect(await introspect(secret, "repo:read")).toMatchObject({ active: true, token: { subject: "ada" } });
  expect(await introspect(secret, "repo:write")).toMatchObject({ active: false });
});

test("a browser makes and lists tokens", async () => {
  writeModule("connect-web");
  const entry = join(modules, "entry.ts");
  writeFileSync(entry, 'import { makeToken } from "./my-tokens.ts"; Object.assign(window, { makeToken });');
  const page = await openPage(entry);
  const served = await startService({ LATCHKEY_CORS_ORIGINS: page.origin });
  const { secret: session } = await served
    .client()
    .create({ kind: "session", subject: "ada", scopes: ["latchkey:self"] });
  const made = await page.page.evaluate(
    ([url, token]) => (window as unknown as { makeToken(...words: unknown[]): Promise<unknown> }).makeToken(url, token),
    [served.url, session],
  );
  expect(made).toMatchObject({
    secret: expect.stringMatching(/^lk_pat_/),
    mine: [expect.stringContaining("made in a browser"), expect.any(String)],
  });
  await page.close();
  await served.close();
});

test("the kinds file is one", () => {
  const path = join(folder, "kinds.yaml");
  writeFileSync(path, findBlock("yaml", "# kinds.yaml"));
  expect([...readKindsFile(path).keys()]).toEqual(["api-key", "sign-in", "session", "access"]);
});

test("the built-in kinds are those of the file that is shown", () => {
  const path = join(folder, "built-in-kinds.yaml");
  writeFileSync(path, findBlock("yaml", "# the built-in kinds"));
  expect(readKindsFile(path)).toEqual(builtInKinds);
});

test("the table of a kind's fields is complete", () => {
  const known = Object.keys(kindsSchema.shape.kinds.element.shape);
  const told = [...files.matchAll(/^\| `(\w+)` \|/gm)].map(([, name = ""]) => name);
  expect(known.filter((name) => !told.includes(name))).toEqual([]);
});

test("the issuers file is one", () => {
  const path = join(folder, "issuers.yaml");
  writeFileSync(path, findBlock("yaml", "issuers:"));
  const { tenantHeader, issuers, certificates } = readIssuersFile(path);
  expect(tenantHeader).toBe("x-app-id");
  expect(issuers.map(({ issuer }) => issuer)).toEqual(["https://login.example.com"]);
  expect(certificates).toHaveLength(1);
});

test("the keys file is one, once the secrets are in", () => {
  const path = join(folder, "new-keys.yaml");
  const secret = () => randomBytes(32).toString("base64");
  writeFileSync(path, findBlock("yaml", "keys:\n").replaceAll(/<base64.*>/g, secret));
  const { current, byVersion } = readKeysFile(path);
  expect([current.version, ...byVersion.keys()]).toEqual([2, 2, 1]);
});

test("its part about other systems' tokens is one, too", () => {
  const secret = (bytes: number) => () => randomBytes(bytes).toString("base64");
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  writeFileSync(join(folder, "old-keys.json"), JSON.stringify({ keys: [publicKey.export({ format: "jwk" })] }));
  const path = join(folder, "imported-keys.yaml");
  const imported = findBlock("yaml", "imported:").replaceAll(/<base64.*>/g, secret(16));
  writeFileSync(path, `keys: [{ version: 1, secret: ${secret(32)()} }]\n${imported}`);
  expect(readKeysFile(path).imported.map(({ name }) => name)).toEqual(["old-keys", "old-jwts"]);
});

test("the table of variables is complete", () => {
  const source = readFileSync(join(root, "src/config.ts"), "utf8");
  const known = new Set([...source.matchAll(/^ +(LATCHKEY_\w+):/gm)].map(([, name]) => name));
  const told = new Set([...readme.matchAll(/^\| .*?\|/gm)].flatMap(([cell]) => cell.match(/LATCHKEY_\w+/g) ?? []));
  expect([...told].sort()).toEqual([...known].sort());
});

test("the table of dependencies is complete", () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const needed = Object.keys({ ...dependencies, ...devDependencies }).filter((name) => !name.startsWith("@types/"));
  expect(needed.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
});

test("callers are remembered as long as the README says", () => {
  expect(readme).toContain("never later than after one second");
  expect(MAX_AGE).toBe(1000);
});
