import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MAX_LINE, readLines } from "../../src/import/read-lines.ts";
import { refusal } from "../domain/world.ts";

const START = { offset: 0, line: 0 };
const CHUNK = 64 * 1024;

let folder: string;
let path: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-lines-"));
  path = join(folder, "lines");
});
afterAll(() => rmSync(folder, { recursive: true }));

async function linesOf(content: string | Buffer, from = START) {
  writeFileSync(path, content);
  await using file = await open(path);
  const { size } = await file.stat();
  const lines = [];
  for await (const { bytes, end } of readLines(file, from, size))
    lines.push({ text: bytes && Buffer.from(bytes).toString(), ...end });
  return lines;
}

describe("lines", () => {
  test("come with their numbers and ends, the last one also without a newline", async () => {
    expect(await linesOf("ab\n\nc\r\nd")).toEqual([
      { text: "ab", offset: 3, line: 1 },
      { text: "", offset: 4, line: 2 },
      { text: "c\r", offset: 7, line: 3 },
      { text: "d", offset: 8, line: 4 },
    ]);
    expect(await linesOf("ab\n")).toEqual([{ text: "ab", offset: 3, line: 1 }]);
    expect(await linesOf("")).toEqual([]);
    expect(await linesOf("\n")).toEqual([{ text: "", offset: 1, line: 1 }]);
  });

  test("that are too long come without their text, wherever they stand", async () => {
    const longest = "x".repeat(MAX_LINE);
    for (const long of [`${longest}x`, "x".repeat(CHUNK), "x".repeat(3 * CHUNK + 1)]) {
      const lines = await linesOf(`a\n${long}\n${longest}\n${long}`);
      expect(lines.map(({ text }) => text)).toEqual(["a", undefined, longest, undefined]);
      expect(lines.at(-1)).toMatchObject({ offset: 4 + 2 * long.length + MAX_LINE, line: 4 });
    }
  });

  test("of the longest length are read also where a chunk ends with them", async () => {
    const before = `${"y".repeat(MAX_LINE - 1)}\n`.repeat(CHUNK / MAX_LINE - 1);
    const longest = "x".repeat(MAX_LINE);
    const lines = await linesOf(`${before}${longest}\n${longest}x`);
    expect(lines.slice(-2).map(({ text }) => text)).toEqual([longest, undefined]);
  });

  test("are the same, from each of them on, however they lie in the chunks that are read", async () => {
    const line = fc.oneof(
      fc.string({ unit: "binary", maxLength: 30 }).map((text) => text.replaceAll("\n", "")),
      fc.integer({ min: 1, max: MAX_LINE }).map((length) => "y".repeat(length)),
      fc.integer({ min: CHUNK - 10, max: CHUNK + 10 }).map((length) => "z".repeat(length)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 40 }), fc.boolean(), async (texts, ends) => {
        const content = texts.join("\n") + (ends ? "\n" : "");
        const expected = texts.map((text) => (Buffer.byteLength(text) > MAX_LINE ? undefined : text));
        if (!ends && texts.at(-1) === "") expected.pop();
        const lines = await linesOf(content);
        expect(lines.map(({ text }) => text)).toEqual(expected);
        expect(lines.at(-1)?.offset ?? 0).toBe(Buffer.byteLength(content));
        const middle = lines[Math.floor(lines.length / 2)];
        if (middle) expect(await linesOf(content, middle)).toEqual(lines.slice(middle.line));
      }),
      { numRuns: 100 },
    );
  });

  test("of a file that became shorter are an error", async () => {
    writeFileSync(path, "ab\n".repeat(CHUNK));
    await using file = await open(path);
    const { size } = await file.stat();
    const lines = readLines(file, START, size);
    await lines.next();
    truncateSync(path, 6);
    const drain = async () => {
      for await (const _ of lines);
    };
    await expect(drain()).rejects.toMatchObject(
      refusal("INVALID_REQUEST", "the file became shorter while it was read"),
    );
  });

  test("that were added after the start are not read", async () => {
    writeFileSync(path, "a\nb\n");
    await using file = await open(path);
    const texts = [];
    for await (const { bytes } of readLines(file, START, 2)) texts.push(Buffer.from(bytes ?? []).toString());
    expect(texts).toEqual(["a"]);
  });
});
