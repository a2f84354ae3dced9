import type { FileHandle } from "node:fs/promises";
import { type ImportContext, importToken } from "../domain/import.ts";
import { TokenError } from "../errors.ts";
import type { Display } from "./display.ts";
import { inOrder } from "./in-order.ts";
import { readLine } from "./line.ts";
import { openProgress } from "./open-import.ts";
import { type Progress, saveProgress } from "./progress-file.ts";
import { type Line, MAX_LINE, readLines } from "./read-lines.ts";
import { openRefusals } from "./refusals.ts";

/** How many tokens are on their way to the store at once. */
const IN_FLIGHT = 64;
/** How often the progress is saved, in milliseconds. */
const SAVE_INTERVAL = 1000;

/** What became of a line. */
type Outcome = { readonly type: "imported" | "known" | "blank" } | { readonly type: "refused"; readonly why: string };

/**
 * Imports the tokens of a file, one JSON object a line, and goes on where it was interrupted. The progress stands in
 * `<path>.progress`, and which lines were refused in `<path>.refused`.
 *
 * @param signal stops it after what is under way.
 * @returns how far it came. What was finished before is not begun again.
 * @throws INVALID_REQUEST if something is wrong with one of the files, STORE_UNAVAILABLE
 */
export async function importFile(
  context: ImportContext,
  path: string,
  file: FileHandle,
  display: Display,
  signal: AbortSignal,
): Promise<Progress> {
  const progress = await openProgress(context, file, `${path}.progress`);
  if (progress.finished) {
    const remedy = `delete ${path}.progress to import it again, which brings back the tokens that were deleted since`;
    display.say(`was imported before, so there is nothing to do: ${remedy}`);
    return progress;
  }
  if (progress.line > 0) display.say(`goes on after line ${progress.line}`);
  await importRest(context, path, file, progress, display, signal);
  return progress;
}

async function importRest(
  context: ImportContext,
  path: string,
  file: FileHandle,
  progress: Progress,
  display: Display,
  signal: AbortSignal,
): Promise<void> {
  const start = performance.now() - progress.milliseconds;
  using refusals = openRefusals(`${path}.refused`, progress.refused_bytes);
  const save = () => {
    progress.saved = context.clock();
    progress.refused_bytes = refusals.bytes;
    progress.milliseconds = Math.round(performance.now() - start);
    saveProgress(`${path}.progress`, progress);
  };
  // Before the first token, so that whoever goes on goes on with the same run.
  save();
  try {
    const lines = untilAborted(readLines(file, progress, progress.file.size), signal);
    for await (const [{ end }, outcome] of inOrder(lines, IN_FLIGHT, (line) =>
      importLine(context, progress.run, line),
    )) {
      if (outcome.type === "refused") {
        refusals.add(end.line, outcome.why);
        display.refuse(end.line, outcome.why);
      }
      if (outcome.type !== "blank") progress[outcome.type]++;
      Object.assign(progress, end);
      if (context.clock() - progress.saved >= SAVE_INTERVAL) save();
      display.update(progress);
    }
    progress.finished = progress.offset === progress.file.size;
  } finally {
    save();
    if (!progress.finished) display.say(`stopped after line ${progress.line}; the same command goes on from there`);
  }
}

async function importLine(context: ImportContext, run: string, { bytes }: Line): Promise<Outcome> {
  const read = bytes ? readLine(bytes) : `is longer than ${MAX_LINE} bytes`;
  if (read === undefined) return { type: "blank" };
  if (typeof read === "string") return { type: "refused", why: read };
  try {
    return { type: await importToken(context, run, read) };
  } catch (error) {
    if (!(error instanceof TokenError) || error.reason === "STORE_UNAVAILABLE") throw error;
    return { type: "refused", why: error.message };
  }
}

async function* untilAborted<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  for await (const item of items) {
    if (signal.aborted) return;
    yield item;
  }
}
