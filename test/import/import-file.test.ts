import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { readKeysFile } from "../../src/config/keys-file.ts";
import { type ImportContext, REMEMBERED } from "../../src/domain/import.ts";
import { TokenError } from "../../src/errors.ts";
import { importFile } from "../../src/import/import-file.ts";
import type { TokenStore } from "../../src/store/token-store.ts";
import { openWorld, refusal, type World } from "../domain/world.ts";
import { KEYS_FILE, lineOf, linesOf } from "../support/old-system.ts";

const COUNT = 500;

let world: World;
let folder: string;
let path: string;
let context: ImportContext;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-import-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  path = join(folder, "tokens.ndjson");
  writeFileSync(join(folder, "keys.yaml"), KEYS_FILE);
  world = await openWorld();
  context = { ...world.context, keys: readKeysFile(join(folder, "keys.yaml")) };
});

const read = (name: string) => readFileSync(join(folder, name), "utf8");
const never = new AbortController().signal;

async function run(by = context, signal = never) {
  const told: string[] = [];
  const display = {
    update: () => {},
    refuse: (line: number, why: string) => void told.push(`${line}: ${why}`),
    say: (text: string) => void told.push(text),
  };
  await using file = await open(path);
  return { told, outcome: await importFile(by, path, file, display, signal).catch((error) => error) };
}

/** The context with a store that does something else from some insert on. */
function withInsert(insert: (store: TokenStore, count: number, ...args: Parameters<TokenStore["insert"]>) => unknown) {
  let count = 0;
  const { shardTag } = context.store;
  const store: ImportContext["store"] = Object.assign(Object.create(context.store), {
    shardTag,
    find: (id: string) => context.store.find(id),
    findAliases: (aliases: string[]) => context.store.findAliases(aliases),
    addAlias: (...args: Parameters<TokenStore["addAlias"]>) => context.store.addAlias(...args),
    insert: (...args: Parameters<TokenStore["insert"]>) => insert(context.store, ++count, ...args),
  });
  return { ...context, store };
}

const storeFails = (after: number) =>
  withInsert(async (store, count, ...args) => {
    if (count > after) throw new TokenError("STORE_UNAVAILABLE", "the store failed");
    return store.insert(...args);
  });

async function tokensInStore() {
  const tokens = await context.store.page({ tenant: "acme", limit: 10 * COUNT });
  return tokens.map(({ label }) => label).toSorted();
}

const labels = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `token ${from + index}`).toSorted();

describe("a file", () => {
  test("is imported whole, and its progress says so", async () => {
    writeFileSync(path, linesOf(COUNT));
    const { told, outcome } = await run();
    const done = { line: COUNT, imported: COUNT, known: 0, refused: 0, finished: true };
    expect(outcome).toMatchObject(done);
    expect(told).toEqual([]);
    expect(JSON.parse(read("tokens.ndjson.progress"))).toMatchObject({ ...done, offset: readFileSync(path).length });
    expect(existsSync(`${path}.refused`)).toBe(false);
    expect(await tokensInStore()).toEqual(labels(0, COUNT));
  });

  test("is imported without its blank and refused lines, which are told in their order, without any value", async () => {
    const canary = "canary-0123456789abcdef";
    const lines = [
      lineOf(0),
      "",
      canary,
      lineOf(1, { kind: canary }),
      lineOf(2, { source: canary }),
      lineOf(3, { digest: canary }),
      lineOf(4, { claims: { [canary]: canary.repeat(300) } }),
      `{"${"x".repeat(20_000)}":1}`,
      lineOf(5, { canary_field: 1, label: `${canary}\n` }),
      " ",
      lineOf(6),
      lineOf(0),
    ];
    writeFileSync(path, lines.join("\n"));
    const { told, outcome } = await run();
    const refused = [
      "3: is not JSON",
      "4: kind: none of personal, service, session, refresh, access, link",
      "5: source: none of those that the keys file imports: sha, mac, blake, jwt",
      "6: digest: must be 32 bytes in hex or base64",
      "7: claims: is 6930 bytes of JSON, more than 4096",
      "8: is longer than 16384 bytes",
      "9: label: must hold no control characters; canary_field: is not a known field",
    ];
    expect(told).toEqual(refused);
    expect(read("tokens.ndjson.refused")).toBe(refused.map((line) => `${line}\n`).join(""));
    expect(outcome).toMatchObject({ line: 12, imported: 2, known: 1, refused: 7, finished: true });
    expect(await tokensInStore()).toEqual(["token 0", "token 6"]);
  });

  test("that is empty is imported at once", async () => {
    writeFileSync(path, "");
    expect((await run()).outcome).toMatchObject({ line: 0, imported: 0, finished: true });
  });

  test("that was imported is not imported again, unless its progress is deleted", async () => {
    writeFileSync(path, linesOf(3));
    await run();
    await Promise.all(
      (await context.store.page({ tenant: "acme", limit: 2 })).map(({ id }) => context.store.remove(id)),
    );
    const { told, outcome } = await run();
    expect(told).toEqual([
      `was imported before, so there is nothing to do: delete ${path}.progress to import it again, which brings back the tokens that were deleted since`,
    ]);
    expect(outcome).toMatchObject({ imported: 3, finished: true });
    expect(await tokensInStore()).toHaveLength(1);
    rmSync(`${path}.progress`);
    expect((await run()).outcome).toMatchObject({ imported: 2, known: 1, finished: true });
  });
});

describe("an import that is interrupted", () => {
  test("by a signal ends what is under way, and goes on from there", async () => {
    writeFileSync(path, linesOf(COUNT));
    const stop = new AbortController();
    const stopping = withInsert((store, count, ...args) => {
      if (count === 200) stop.abort();
      return store.insert(...args);
    });
    const { told, outcome } = await run(stopping, stop.signal);
    expect(outcome).toMatchObject({ finished: false, known: 0, refused: 0 });
    const { line } = outcome;
    expect(line).toBeGreaterThanOrEqual(200);
    expect(line).toBeLessThan(COUNT);
    expect(told).toEqual([`stopped after line ${line}; the same command goes on from there`]);
    expect(await tokensInStore()).toEqual(labels(0, line));

    const next = await run();
    expect(next.told).toEqual([`goes on after line ${line}`]);
    expect(next.outcome).toMatchObject({ line: COUNT, imported: COUNT, known: 0, finished: true });
    expect(await tokensInStore()).toEqual(labels(0, COUNT));
  });

  test("by the store says so, and goes on with the first token that was not acknowledged", async () => {
    writeFileSync(path, linesOf(COUNT));
    const { told, outcome } = await run(storeFails(200));
    expect(outcome).toMatchObject(refusal("STORE_UNAVAILABLE", "the store failed"));
    expect(told).toEqual(["stopped after line 200; the same command goes on from there"]);
    expect((await run()).outcome).toMatchObject({ line: COUNT, imported: COUNT, known: 0, finished: true });
    expect(await tokensInStore()).toEqual(labels(0, COUNT));
  });

  test("before its progress was saved loses nothing, makes nothing twice, and tells each refused line once", async () => {
    const lines = Array.from({ length: COUNT }, (_, n) => (n % 10 === 0 ? "{}" : lineOf(n)));
    writeFileSync(path, lines.join("\n"));
    await run(storeFails(0));
    copyFileSync(`${path}.progress`, `${path}.before`);
    await run(storeFails(300));
    copyFileSync(`${path}.before`, `${path}.progress`);
    const { outcome } = await run();
    expect(outcome).toMatchObject({ line: COUNT, imported: 150, known: 300, refused: 50, finished: true });
    const refused = read("tokens.ndjson.refused").trimEnd().split("\n");
    expect(refused.map((line) => Number.parseInt(line, 10))).toEqual(Array.from({ length: 50 }, (_, n) => 10 * n + 1));
    expect(await tokensInStore()).toHaveLength(450);
  });

  test("before its progress was saved does not bring back what was deleted meanwhile", async () => {
    writeFileSync(path, linesOf(COUNT));
    await run(storeFails(0));
    copyFileSync(`${path}.progress`, `${path}.before`);
    await run(storeFails(300));
    for (const { id } of await context.store.page({ tenant: "acme", limit: COUNT })) await context.store.remove(id);
    copyFileSync(`${path}.before`, `${path}.progress`);
    expect((await run()).outcome).toMatchObject({ line: COUNT, imported: 200, known: 300, finished: true });
    expect(await tokensInStore()).toEqual(labels(300, COUNT));
  });
});

describe("an import that was interrupted is not gone on with", () => {
  const REMEDY = "delete it to import from the beginning, which brings back the tokens that were deleted since";
  beforeEach(async () => {
    writeFileSync(path, linesOf(COUNT));
    await run(storeFails(200));
  });

  test.each([
    ["is longer", () => linesOf(COUNT + 1)],
    ["is shorter", () => linesOf(COUNT - 1)],
    ["begins otherwise", () => linesOf(COUNT).replace("user-3", "user-4")],
  ])("with a file that %s", async (_, content) => {
    writeFileSync(path, content());
    const fault = "is of another file, or of this one before it was changed";
    const before = read("tokens.ndjson.progress");
    expect((await run()).outcome).toMatchObject(refusal("INVALID_REQUEST", `${path}.progress ${fault}: ${REMEDY}`));
    expect(read("tokens.ndjson.progress")).toBe(before);
  });

  test("with another store", async () => {
    const { context: other } = await openWorld();
    expect((await run({ ...context, store: other.store })).outcome).toMatchObject(
      refusal("INVALID_REQUEST", `${path}.progress is of an import into another store: ${REMEDY}`),
    );
  });

  test("after a week", async () => {
    world.pass(REMEMBERED - 1);
    expect((await run(storeFails(1))).outcome).toMatchObject({ reason: "STORE_UNAVAILABLE" });
    world.pass(REMEMBERED);
    const fault = "is of an import that was interrupted more than 7 days ago";
    expect((await run()).outcome).toMatchObject(refusal("INVALID_REQUEST", `${path}.progress ${fault}: ${REMEDY}`));
  });
});

test("an import leaves nothing beside the file but its progress and its refused lines", async () => {
  writeFileSync(path, `${linesOf(3)}{}\n`);
  await run();
  expect(readdirSync(folder).toSorted()).toEqual([
    "keys.yaml",
    "tokens.ndjson",
    "tokens.ndjson.progress",
    "tokens.ndjson.refused",
  ]);
  expect(read("tokens.ndjson.progress")).not.toMatch(/secret|token 0|acme/);
});
