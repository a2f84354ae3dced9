import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { newProgress, readProgress, saveProgress } from "../../src/import/progress-file.ts";
import { refusal, thrownBy } from "../domain/world.ts";

const FILE = { size: 3, head: "abc" };

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-progress-"));
  path = join(folder, "tokens.progress");
  onTestFinished(() => rmSync(folder, { recursive: true }));
});

describe("the progress", () => {
  test("is read as it was saved last, and nothing is left beside it", () => {
    const progress = newProgress(FILE, "store");
    saveProgress(path, progress);
    progress.line = 7;
    progress.finished = true;
    saveProgress(path, progress);
    expect(readProgress(path)).toEqual(progress);
    expect(readdirSync(folder)).toEqual(["tokens.progress"]);
  });

  test("is none if none was saved", () => {
    expect(readProgress(path)).toBeUndefined();
  });

  test("of each import is that of a run of its own", () => {
    expect(newProgress(FILE, "store").run).not.toBe(newProgress(FILE, "store").run);
  });

  test("that can't be saved is an error, and what was saved before stays", () => {
    const file = join(path, "x");
    saveProgress(path, newProgress(FILE, "store"));
    const before = readFileSync(path, "utf8");
    expect(thrownBy(() => saveProgress(file, newProgress(FILE, "store")))).toMatchObject(
      refusal("INVALID_REQUEST", `${file} can't be written (ENOTDIR)`),
    );
    expect(readFileSync(path, "utf8")).toBe(before);
    mkdirSync(join(folder, "taken"));
    expect(thrownBy(() => saveProgress(join(folder, "taken"), newProgress(FILE, "store")))).toMatchObject(
      refusal("INVALID_REQUEST"),
    );
    expect(readdirSync(folder).toSorted()).toEqual(["taken", "tokens.progress"]);
  });

  test.each(["", "{}", "[1]", '{"line": 7}', "{", JSON.stringify({ ...newProgress(FILE, "s"), line: -1 })])(
    "is not read from a file that holds something else: %j",
    (text) => {
      writeFileSync(path, text);
      expect(thrownBy(() => readProgress(path))).toMatchObject(
        refusal(
          "INVALID_REQUEST",
          `${path} is not what an import has written; without it the import begins from the beginning`,
        ),
      );
    },
  );

  test("is not read from a folder", () => {
    expect(thrownBy(() => readProgress(folder))).toMatchObject(
      refusal("INVALID_REQUEST", `${folder} can't be read (EISDIR); without it the import begins from the beginning`),
    );
  });
});
