import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openFile, openProgress } from "../../src/import/open-import.ts";
import { newProgress, saveProgress } from "../../src/import/progress-file.ts";
import { NOW, openWorld, refusal } from "../domain/world.ts";

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-open-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

test("only a file that is there is opened", async () => {
  const folder = makeFolder();
  const missing = join(folder, "missing");
  await expect(openFile(missing)).rejects.toMatchObject(
    refusal("INVALID_REQUEST", `${missing} can't be read (ENOENT)`),
  );
  for (const path of [folder, "/dev/null"])
    await expect(openFile(path)).rejects.toMatchObject(refusal("INVALID_REQUEST", `${path} is not a file`));
});

test("a file is told from others by its size and the first 64 KiB, not by its name or the rest", async () => {
  const folder = makeFolder();
  const { context } = await openWorld();
  const progressOf = async (name: string, content: string) => {
    writeFileSync(join(folder, name), content);
    await using file = await openFile(join(folder, name));
    return await openProgress(context, file, join(folder, "progress"));
  };
  const long = "x".repeat(70_000);
  const first = await progressOf("one", long);
  expect(first).toMatchObject({ line: 0, finished: false });
  saveProgress(join(folder, "progress"), { ...first, saved: NOW, line: 7 });
  expect(await progressOf("two", `${long.slice(1)}y`)).toMatchObject({ run: first.run, line: 7 });
  await expect(progressOf("two", `y${long.slice(1)}`)).rejects.toMatchObject(refusal("INVALID_REQUEST"));
  await expect(progressOf("two", `${long}x`)).rejects.toMatchObject(refusal("INVALID_REQUEST"));
});

test("what was finished long ago is still finished", async () => {
  const folder = makeFolder();
  const { context, pass } = await openWorld();
  writeFileSync(join(folder, "file"), "");
  await using file = await openFile(join(folder, "file"));
  const { file: identity, store } = await openProgress(context, file, join(folder, "progress"));
  saveProgress(join(folder, "progress"), { ...newProgress(identity, store), saved: NOW, finished: true });
  pass(1e12);
  expect(await openProgress(context, file, join(folder, "progress"))).toMatchObject({ finished: true });
});
