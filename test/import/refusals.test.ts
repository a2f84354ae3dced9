import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { openRefusals } from "../../src/import/refusals.ts";
import { refusal, thrownBy } from "../domain/world.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-refusals-"));
  path = join(folder, "tokens.refused");
  onTestFinished(() => rmSync(folder, { recursive: true }));
});

describe("the list of refused lines", () => {
  test("has a line for each, at once", () => {
    using refusals = openRefusals(path, 0);
    refusals.add(3, "tenant: is missing");
    refusals.add(17, "is not JSON: ü");
    expect(readFileSync(path, "utf8")).toBe("3: tenant: is missing\n17: is not JSON: ü\n");
    expect(refusals.bytes).toBe(readFileSync(path).length);
  });

  test("is not there if none was refused, nor what an earlier import left", () => {
    writeFileSync(path, "1: old\n");
    using refusals = openRefusals(path, 0);
    expect([refusals.bytes, existsSync(path)]).toEqual([0, false]);
  });

  test("goes on where the progress stands: what came after that is not there twice", () => {
    writeFileSync(path, "1: one\n2: two\n");
    using refusals = openRefusals(path, 7);
    refusals.add(2, "two");
    expect(readFileSync(path, "utf8")).toBe("1: one\n2: two\n");
    expect(refusals.bytes).toBe(14);
  });

  test("that is shorter than the progress says is not filled up", () => {
    writeFileSync(path, "1: o");
    using refusals = openRefusals(path, 7);
    refusals.add(2, "two");
    expect(readFileSync(path, "utf8")).toBe("1: o2: two\n");
  });

  test("is closed at the end", () => {
    const refusals = openRefusals(path, 0);
    refusals.add(1, "one");
    refusals[Symbol.dispose]();
    expect(() => refusals.add(2, "two")).toThrow();
    appendFileSync(path, "x");
    expect(readFileSync(path, "utf8")).toBe("1: one\nx");
  });

  test("that can't be written is an error", () => {
    writeFileSync(path, "1: one\n");
    const inFile = join(path, "refused");
    for (const [where, bytes, code] of [
      [inFile, 0, "ENOTDIR"],
      [inFile, 7, "ENOTDIR"],
      [folder, 7, "EISDIR"],
    ] as const) {
      expect(thrownBy(() => openRefusals(where, bytes))).toMatchObject(
        refusal("INVALID_REQUEST", `${where} can't be written (${code})`),
      );
    }
  });
});
