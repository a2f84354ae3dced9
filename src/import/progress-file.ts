import { randomUUID } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { TokenError } from "../errors.ts";
import { writing } from "./writing.ts";

const count = z.int().min(0);

const schema = z.strictObject({
  run: z.uuid(),
  file: z.strictObject({ size: count, head: z.string() }),
  store: z.string(),
  saved: count,
  offset: count,
  line: count,
  imported: count,
  known: count,
  refused: count,
  refused_bytes: count,
  milliseconds: count,
  finished: z.boolean(),
});

/** How far the import of a file has come: all lines up to a place of it are done, and it may be that some after it are, too. */
export interface Progress {
  /** Names this import, see `importToken`. */
  readonly run: string;
  /** Tells the file from others. */
  readonly file: { readonly size: number; readonly head: string };
  /** Tells the store from others. */
  readonly store: string;
  /** When this was written, in milliseconds since 1970. */
  saved: number;
  /** In the file, in bytes. */
  offset: number;
  /** How many lines are done, among them `imported`, `known` (they were imported before) and `refused`. */
  line: number;
  imported: number;
  known: number;
  refused: number;
  /** How long the list of the refused lines is. */
  refused_bytes: number;
  /** How long it took so far. */
  milliseconds: number;
  finished: boolean;
}

/** An import that has done nothing yet. */
export function newProgress(file: Progress["file"], store: string): Progress {
  return {
    run: randomUUID(),
    file,
    store,
    saved: 0,
    offset: 0,
    line: 0,
    imported: 0,
    known: 0,
    refused: 0,
    refused_bytes: 0,
    milliseconds: 0,
    finished: false,
  };
}

/**
 * The progress that was saved, if any was.
 *
 * @throws INVALID_REQUEST if the file can't be read, or holds something else.
 */
export function readProgress(path: string): Progress | undefined {
  try {
    return schema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    const fault = typeof code === "string" ? `can't be read (${code})` : "is not what an import has written";
    throw new TokenError("INVALID_REQUEST", `${path} ${fault}; without it the import begins from the beginning`);
  }
}

/**
 * Writes it in the place of what was saved before, as a whole or not at all, also when the machine stops in between.
 *
 * @throws INVALID_REQUEST if it can't be written.
 */
export function saveProgress(path: string, progress: Progress): void {
  const draft = `${path}.${randomUUID()}`;
  writing(path, () => {
    const file = openSync(draft, "wx");
    try {
      writeFileSync(file, `${JSON.stringify(progress, null, 2)}\n`);
      fsyncSync(file);
      renameSync(draft, path);
    } finally {
      closeSync(file);
      rmSync(draft, { force: true });
    }
  });
}
