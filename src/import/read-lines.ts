import type { FileHandle } from "node:fs/promises";
import { TokenError } from "../errors.ts";

/** Longest line, in bytes. */
export const MAX_LINE = 16 * 1024;
/** How much is read at once, in bytes. */
const CHUNK = 64 * 1024;
const NEWLINE = 0x0a;

/** How far a file was read. */
export interface Place {
  /** In bytes. */
  readonly offset: number;
  /** How many lines lie before it. */
  readonly line: number;
}

/** One line of a file. */
export interface Line {
  /** Without its newline; undefined if it is longer than `MAX_LINE`. Good until the next line is asked for. */
  readonly bytes: Uint8Array | undefined;
  /** Where the next one begins. `line` is the number of this one, counted from 1. */
  readonly end: Place;
}

/**
 * Reads lines from a place on, up to `size` bytes of the file, with little memory however long they are.
 *
 * @throws INVALID_REQUEST if the file became shorter meanwhile.
 */
export async function* readLines(file: FileHandle, from: Place, size: number): AsyncGenerator<Line> {
  const chunk = Buffer.alloc(CHUNK);
  let { offset, line } = from;
  /** The beginning of a line whose end was not read yet; undefined if that is too long already. */
  let begun: Buffer | undefined = Buffer.alloc(0);
  const finish = (rest: Buffer, end: number): Line => {
    const bytes: Buffer | undefined = begun && (begun.length === 0 ? rest : Buffer.concat([begun, rest]));
    begun = Buffer.alloc(0);
    line++;
    return { bytes: bytes && bytes.length <= MAX_LINE ? bytes : undefined, end: { offset: end, line } };
  };
  while (offset < size) {
    const { bytesRead } = await file.read(chunk, 0, Math.min(CHUNK, size - offset), offset);
    if (bytesRead === 0) throw new TokenError("INVALID_REQUEST", "the file became shorter while it was read");
    let rest = chunk.subarray(0, bytesRead);
    for (let length = rest.indexOf(NEWLINE); length >= 0; length = rest.indexOf(NEWLINE)) {
      const ended = rest.subarray(0, length);
      rest = rest.subarray(length + 1);
      yield finish(ended, offset + bytesRead - rest.length);
    }
    if (begun) begun = begun.length + rest.length > MAX_LINE ? undefined : Buffer.concat([begun, rest]);
    offset += bytesRead;
  }
  if (begun?.length !== 0) yield finish(Buffer.alloc(0), size);
}
