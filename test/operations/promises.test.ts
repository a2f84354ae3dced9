import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readTable } from "./page.ts";

const TESTS = join(import.meta.dirname, "..");

/** Of a file, or of a folder. */
function exists(name: string): boolean {
  return existsSync(join(TESTS, `${name}.test.ts`)) || existsSync(join(TESTS, name));
}

test("each promise names tests that are there", () => {
  const rows = [...readTable("topology"), ...readTable("what else")];
  expect(rows.length).toBeGreaterThan(10);
  for (const row of rows) {
    const names = [...(row.at(-1) ?? "").matchAll(/`([\w/-]+)`/g)].map(([, name = ""]) => name);
    expect(names, row[0]).not.toEqual([]);
    expect(names.filter((name) => !exists(name))).toEqual([]);
  }
});
