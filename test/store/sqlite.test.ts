import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, describe, expect, it } from "vitest";
import { changed, type Token } from "../../src/domain/token.ts";
import { encodeRecord } from "../../src/store/record.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { describeTokenStore } from "./contract.ts";
import { encodeProtobufRecord, HOUR, insertToken, newOwner, newToken } from "./tokens.ts";

const folder = mkdtempSync(join(tmpdir(), "latchkey-sqlite-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function newPath(): string {
  files++;
  return join(folder, `file-${files}.db`);
}

describeTokenStore("the SQLite store", () => openSqliteStore({ path: join(folder, "latchkey.db") }));

describe("a SQLite file", () => {
  it("keeps everything over a restart", async () => {
    const path = newPath();
    const before = await openSqliteStore({ path });
    const token = await insertToken(before, newOwner());
    const claim = { tag: before.shardTag(token), name: "claim", value: "claimed", until: Date.now() + HOUR };
    await before.claim(claim);
    await before.addAlias("alias", token.id, undefined);
    await before.adoptKeys(["a"]);
    await before.close();
    const after = await openSqliteStore({ path });
    expect(await after.find(token.id)).toEqual(token);
    expect(after.shardTag(token)).toBe(before.shardTag(token));
    expect(await after.claim({ ...claim, value: "another" })).toBe("claimed");
    expect(await after.findAliases(["alias"])).toEqual([token.id]);
    expect(await after.adoptKeys(["b"])).toBe(false);
    expect(await after.adoptKeys(["b", "a"])).toBe(true);
    expect(await after.adoptKeys(["b"])).toBe(true);
    await after.close();
  });

  it("is readable by its owner only, and so is the folder made for it", async () => {
    const path = join(folder, "new", "folder", "latchkey.db");
    const store = await openSqliteStore({ path });
    await insertToken(store, newOwner());
    expect(statSync(join(folder, "new")).mode & 0o777).toBe(0o700);
    for (const file of [path, `${path}-wal`]) expect(statSync(file).mode & 0o777).toBe(0o600);
    await store.close();
  });

  it("drops dead records as new ones come", async () => {
    const path = newPath();
    let now = 1000;
    const store = await openSqliteStore({ path, clock: () => now });
    for (let n = 0; n < 40; n++) {
      await insertToken(store, newOwner(), { purgeTime: now + HOUR });
      await store.claim({ tag: "000", name: `claim ${n}`, value: "", until: now + HOUR });
      await store.addAlias(`alias ${n}`, "id", now + HOUR);
    }
    now += HOUR;
    await insertToken(store, newOwner());
    await store.claim({ tag: "000", name: "claim", value: "", until: now + HOUR });
    await store.addAlias("alias", "id", undefined);
    await insertToken(store, newOwner());
    await store.close();
    const database = new DatabaseSync(path);
    const count = (table: string) => database.prepare(`SELECT count(*) AS rows FROM ${table}`).get()?.rows;
    expect(["tokens", "claims", "aliases"].map(count)).toEqual([2, 1, 1]);
    database.close();
  });

  it("loses more tokens at once than one batch holds", async () => {
    const path = newPath();
    const before = await openSqliteStore({ path });
    const tokens = Array.from({ length: 10_500 }, () => newToken(before, { tenant: "t", subject: "s" }));
    await before.close();
    insertRaw(path, tokens, before.shardTag({ tenant: "t", subject: "s" }));
    const store = await openSqliteStore({ path });
    expect(await store.removeAll({ tenant: "t", subject: "s" }, () => true)).toBe(10_500);
    expect(await store.page({ tenant: "t", limit: 1 })).toEqual([]);
    await store.close();
  });

  it("of an older Latchkey is taken over as it is", async () => {
    const path = newPath();
    const before = await openSqliteStore({ path });
    const token = await insertToken(before, newOwner());
    const tag = before.shardTag(token);
    await before.close();
    const database = new DatabaseSync(path);
    database.exec("DROP TABLE claims; DROP TABLE aliases; PRAGMA user_version = 1");
    database.prepare("UPDATE tokens SET record = ?").run(encodeProtobufRecord(token));
    database.close();
    const store = await openSqliteStore({ path });
    expect(await store.find(token.id)).toEqual(token);
    expect(store.shardTag(token)).toBe(tag);
    expect(await store.claim({ tag, name: "claim", value: "held", until: Date.now() + HOUR })).toBe("held");
    const next = changed(token, { active: false });
    expect(await store.replace(token, next)).toBe("replaced");
    expect(await store.page({ ...token, limit: 2 })).toEqual([next]);
    await store.close();
  });

  it("of a newer Latchkey is refused", async () => {
    const path = newPath();
    const database = new DatabaseSync(path);
    database.exec("PRAGMA user_version = 99");
    database.close();
    await expect(openSqliteStore({ path })).rejects.toMatchObject({
      reason: "STORE_UNAVAILABLE",
      message: `${path} was written by a newer Latchkey (schema 99, this one knows 2)`,
    });
  });

  it("in use by another process is refused, and free at once when that is killed", async () => {
    const path = newPath();
    const module = JSON.stringify(new URL("../../src/store/sqlite.ts", import.meta.url).href);
    const script = `const { openSqliteStore } = await import(${module});
      globalThis.store = await openSqliteStore({ path: ${JSON.stringify(path)} });
      process.stdout.write("open"); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    await expect(openSqliteStore({ path })).rejects.toMatchObject({
      reason: "STORE_UNAVAILABLE",
      message: `${path} is in use by another process: run one, or use Redis`,
    });
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
    const store = await openSqliteStore({ path });
    await insertToken(store, newOwner());
    await store.close();
  });

  it("that is none, or a folder, is refused", async () => {
    const path = newPath();
    writeFileSync(path, "not a database, but long enough to be looked at as one".repeat(100));
    await expect(openSqliteStore({ path })).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    mkdirSync(join(folder, "folder"));
    await expect(openSqliteStore({ path: join(folder, "folder") })).rejects.toMatchObject({
      reason: "STORE_UNAVAILABLE",
    });
  });

  it("that breaks under the store makes it unavailable, with a delay", async () => {
    const path = newPath();
    const writer = await openSqliteStore({ path });
    const owner = newOwner();
    for (let n = 0; n < 300; n++) await writer.insert(newToken(writer, owner));
    await writer.close();
    const store = await openSqliteStore({ path });
    truncateSync(path, 4096);
    await expect(store.page({ ...owner, limit: 1000 })).rejects.toMatchObject({
      reason: "STORE_UNAVAILABLE",
      code: "UNAVAILABLE",
      retryDelay: expect.any(Number),
    });
    await store.close();
  });

  it("that is closed is unavailable", async () => {
    const store = await openSqliteStore({ path: newPath() });
    await store.close();
    const token = newToken(store, newOwner());
    for (const operation of [
      store.find("x"),
      store.insert(token),
      store.replace(token, token),
      store.claim({ tag: "000", name: "x", value: "", until: 1 }),
      store.findClaim("000", "x"),
      store.addAlias("x", "id", undefined),
      store.findAliases(["x"]),
      store.ping(),
    ]) {
      await expect(operation).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    }
  });
});

/** Writes tokens without a durable commit for each. */
function insertRaw(path: string, tokens: readonly Token[], tag: string): void {
  const database = new DatabaseSync(path);
  const insert = database.prepare(
    "INSERT INTO tokens VALUES (?, 't', ?, 's', 'personal', '', '', ?, ?, NULL, NULL, ?)",
  );
  database.exec("BEGIN");
  for (const token of tokens) insert.run(token.id, tag, token.createTime, Number.MAX_SAFE_INTEGER, encodeRecord(token));
  database.exec("COMMIT");
  database.close();
}
