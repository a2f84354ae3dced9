import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { SqliteWriter } from "../../src/store/sqlite-writer.ts";

function openWriter() {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-writer-"));
  const path = join(folder, "test.db");
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = WAL; CREATE TABLE numbers (n INTEGER PRIMARY KEY) STRICT");
  const other = new DatabaseSync(path);
  onTestFinished(() => {
    for (const one of [database, other]) if (one.isOpen) one.close();
    rmSync(folder, { recursive: true });
  });
  const insert = database.prepare("INSERT INTO numbers VALUES (?)");
  const add = (n: number) => () => insert.run(n).lastInsertRowid;
  /** What somebody else sees in the file. */
  const committed = () =>
    other
      .prepare("SELECT n FROM numbers ORDER BY n")
      .all()
      .map(({ n }) => n);
  return { database, writer: new SqliteWriter(database), add, committed };
}

test("writes of one turn are one transaction, and answered in their order once it is committed", async () => {
  const { writer, add, committed } = openWriter();
  const seen: unknown[] = [];
  const writes = [1, 2, 3].map((n) => writer.write(add(n)).then((id) => seen.push([id, committed()])));
  expect(committed()).toEqual([]);
  await Promise.all(writes);
  expect(seen).toEqual([1, 2, 3].map((n) => [n, [1, 2, 3]]));
});

test("a write that throws has written nothing, and the others of its turn have", async () => {
  const { writer, add, committed } = openWriter();
  const fault = new Error("no");
  const outcomes = await Promise.allSettled([
    writer.write(add(1)),
    writer.write(() => {
      add(2)();
      throw fault;
    }),
    writer.write(add(1)),
    writer.write(add(3)),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
  expect(outcomes[1]).toMatchObject({ reason: fault });
  expect(committed()).toEqual([1, 3]);
});

test("when the whole transaction fails, every write of it fails, and those that come after are carried out", async () => {
  const { database, writer, add, committed } = openWriter();
  const outcomes = await Promise.allSettled([
    writer.write(add(1)),
    // As SQLite itself does when the disk is full.
    writer.write(() => database.exec("ROLLBACK; SELECT * FROM nothing")),
    writer.write(add(2)),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
  expect(committed()).toEqual([2]);
  await writer.write(add(4));
  expect(committed()).toEqual([2, 4]);
});

test("when the commit fails, every write of it fails", async () => {
  const { database, writer, add, committed } = openWriter();
  database.exec("PRAGMA foreign_keys = ON");
  database.exec("CREATE TABLE notes (n INTEGER REFERENCES numbers DEFERRABLE INITIALLY DEFERRED) STRICT");
  const outcomes = await Promise.allSettled([
    writer.write(add(1)),
    writer.write(() => database.exec("INSERT INTO notes VALUES (7)")),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(committed()).toEqual([]);
});

test("a flood of writes lets other work come in between", async () => {
  const { writer, add, committed } = openWriter();
  const writes = Array.from({ length: 1000 }, (_, n) => writer.write(add(n)));
  const counts = [];
  do {
    await setImmediate();
    counts.push(committed().length);
  } while (counts.at(-1) !== 1000 && counts.length < 1000);
  await Promise.all(writes);
  expect(counts.filter((count) => count > 0 && count < 1000).length).toBeGreaterThan(1);
});

test("writes that take long are not one transaction", async () => {
  const { writer, add, committed } = openWriter();
  const seen: number[] = [];
  const addSlowly = (n: number) => () => {
    seen.push(committed().length);
    for (const start = performance.now(); performance.now() - start < 10; );
    return add(n)();
  };
  await Promise.all([1, 2, 3].map((n) => writer.write(addSlowly(n))));
  expect(seen).toEqual([0, 1, 2]);
});

test("a flush writes what waits, and a closed database refuses what comes then", async () => {
  const { database, writer, add, committed } = openWriter();
  const write = writer.write(add(1));
  writer.flush();
  expect(committed()).toEqual([1]);
  database.close();
  expect(await write).toBe(1);
  await expect(writer.write(add(2))).rejects.toThrow("the database is closed");
});
