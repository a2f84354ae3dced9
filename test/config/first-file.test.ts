import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { writeFirstFile } from "../../src/config/first-file.ts";
import { makeFolder } from "./folder.ts";

const module = new URL("../../src/config/first-file.ts", import.meta.url);

describe("a first file", () => {
  test("is written whole, with the folders that it needs, for its owner's eyes only", () => {
    const path = join(makeFolder(), "a", "b", "file");
    expect(writeFirstFile(path, "text\n")).toBe(true);
    expect(readFileSync(path, "utf8")).toBe("text\n");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
  });

  test("is for its owner's eyes only whatever the umask", () => {
    const path = join(makeFolder(), "file");
    const umask = process.umask(0);
    try {
      writeFirstFile(path, "text");
    } finally {
      process.umask(umask);
    }
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("is left as it is, if it is there already", () => {
    const path = join(makeFolder(), "file");
    writeFileSync(path, "old", { mode: 0o644 });
    expect(writeFirstFile(path, "new")).toBe(false);
    expect(readFileSync(path, "utf8")).toBe("old");
  });

  test("leaves no draft behind, whether it was written or not", () => {
    const folder = makeFolder();
    writeFirstFile(join(folder, "file"), "text");
    writeFirstFile(join(folder, "file"), "text");
    expect(readdirSync(folder)).toEqual(["file"]);
  });

  test("is an error where it can't be written, and nothing stays behind", () => {
    const folder = makeFolder();
    writeFileSync(join(folder, "no-folder"), "");
    expect(() => writeFirstFile(join(folder, "no-folder", "file"), "text")).toThrow();
    expect(readdirSync(folder)).toEqual(["no-folder"]);
  });

  test("is written by exactly one of twenty processes at the same moment, and holds what that one wrote", async () => {
    const folder = makeFolder();
    const path = join(folder, "file");
    const gate = join(folder, "go");
    // Every process waits at the gate, so that all of them start together.
    const script = `
      import { existsSync } from "node:fs";
      import { writeFirstFile } from ${JSON.stringify(module)};
      const [path, gate, text] = process.argv.slice(1);
      process.stderr.write("ready");
      while (!existsSync(gate)) await new Promise(setImmediate);
      process.stdout.write(String(writeFirstFile(path, text.repeat(10_000))));`;
    let ready = 0;
    const processes = Array.from({ length: 20 }, (_, index) => {
      const text = String.fromCharCode("a".charCodeAt(0) + index);
      const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", script, path, gate, text]);
      run.child.stderr?.once("data", () => ready++);
      return run.then(({ stdout }) => ({ text, won: stdout === "true" }));
    });
    await expect.poll(() => ready, { timeout: 20_000 }).toBe(20);
    writeFileSync(gate, "");
    const winners = (await Promise.all(processes)).filter(({ won }) => won);
    expect(winners).toHaveLength(1);
    expect(readFileSync(path, "utf8")).toBe(winners[0]?.text.repeat(10_000));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).toSorted()).toEqual(["file", "go"]);
    expect(existsSync(gate)).toBe(true);
  }, 30_000);
});
