import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { SignJWT } from "jose";
import { expect, onTestFinished, test } from "vitest";
import { spawnNpmImport, spawnService, untilServing } from "../support/process.ts";
import { createServiceClient, ROOT_TOKEN } from "../support/service.ts";

// What docs/import.md shows is done, as it stands there.

const page = readFileSync(join(import.meta.dirname, "../../docs/import.md"), "utf8");
const JWT_KEY = Buffer.alloc(32, "the old system's");

function findBlock(language: string, part: string): string {
  const blocks = [...page.matchAll(/^```(\w+)\n(.*?)^```/gms)].filter(([, name]) => name === language);
  const found = blocks.filter(([, , code]) => code?.includes(part));
  expect(found, `one ${language} block with ${part}`).toHaveLength(1);
  return found[0]?.[2] ?? "";
}

test("the example is imported, and its secrets are good", { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-page-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const variables = {
    LATCHKEY_STORE: `sqlite:${join(folder, "latchkey.db")}`,
    LATCHKEY_KEYS: join(folder, "keys.yaml"),
  };
  const sources = findBlock("yaml", "imported:").replace(/<base64.*>/, JWT_KEY.toString("base64"));
  const key = Buffer.alloc(32, 1).toString("base64");
  writeFileSync(variables.LATCHKEY_KEYS, `keys: [{ version: 1, secret: ${key} }]\n${sources}`);
  const path = join(folder, "tokens.ndjson");
  writeFileSync(path, findBlock("json", "jwt_id"));

  expect(findBlock("sh", "npm run import")).toBe("npm run import -- tokens.ndjson\n");
  const imported = spawnNpmImport([path], variables);
  onTestFinished(imported.destroy);
  expect(await imported.exit).toBe(0);
  expect(imported.stdout()).toContain("2 imported, 0 already there, 0 refused");

  const service = spawnService(
    { ...variables, LATCHKEY_LISTEN: "127.0.0.1:0", LATCHKEY_ROOT_TOKEN: ROOT_TOKEN },
    folder,
  );
  onTestFinished(service.destroy);
  const url = await untilServing(service);
  const script = findBlock("sh", "curl").replace("http://127.0.0.1:8080", url);
  const { stdout } = await promisify(execFile)("bash", ["-euc", script], { env: { ...process.env, ROOT_TOKEN } });
  expect(JSON.parse(stdout)).toMatchObject({ active: true, token: { subject: "ada", label: "laptop" } });

  const jwt = new SignJWT({ iss: "https://old.example.com", jti: "1742" }).setProtectedHeader({ alg: "HS256" });
  const verdict = await createServiceClient(url, ROOT_TOKEN).introspect({ secret: await jwt.sign(JWT_KEY) });
  expect(verdict).toMatchObject({ active: true, token: { subject: "bob" } });
});

test("the table has every field of a line, and no other", () => {
  const rows = page.slice(page.indexOf("| field |")).matchAll(/^\| (`.*?) \|/gm);
  const told = [...rows].flatMap(([, cell]) => [...(cell ?? "").matchAll(/`(\w+)`/g)].map(([, name]) => name));
  const source = readFileSync(join(import.meta.dirname, "../../src/import/line.ts"), "utf8");
  const [schema = ""] = /const line = z\.strictObject\(\{.*?\n\}\)/s.exec(source) ?? [];
  const known = [...schema.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => name);
  expect(known.length).toBeGreaterThan(10);
  expect(told.toSorted()).toEqual(known.toSorted());
});
