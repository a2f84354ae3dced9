import { closeSync, ftruncateSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { writing } from "./writing.ts";

/** The list of refused lines, in a file that is there only if any were. */
export interface Refusals extends Disposable {
  /** Its length in bytes. */
  readonly bytes: number;
  add(line: number, why: string): void;
}

/**
 * Goes on with a list from its first `bytes` bytes. What came after them comes again.
 *
 * @throws INVALID_REQUEST (`add`, too) if the file can't be written.
 */
export function openRefusals(path: string, bytes: number): Refusals {
  let file: number | undefined;
  let length = bytes;
  const open = () => {
    file ??= openSync(path, "a");
    return file;
  };
  if (bytes === 0) writing(path, () => rmSync(path, { force: true }));
  else writing(path, () => ftruncateSync(open(), Math.min(bytes, statSync(path).size)));
  return {
    get bytes() {
      return length;
    },
    add(line, why) {
      length += writing(path, () => writeSync(open(), `${line}: ${why}\n`));
    },
    [Symbol.dispose]() {
      if (file !== undefined) closeSync(file);
    },
  };
}
