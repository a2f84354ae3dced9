import type { WriteStream } from "node:tty";
import type { Progress } from "./progress-file.ts";

/** How often the progress is told, in milliseconds: on a terminal, in the place of what was told before, and elsewhere. */
const TERMINAL_INTERVAL = 100;
const INTERVAL = 3000;
const CLEAR_LINE = "\r\x1b[K";

/** Tells the person who started an import how it goes. */
export interface Display {
  /** Tells the progress, if that is due. */
  update(progress: Progress): void;
  /** Tells why a line was refused. */
  refuse(line: number, why: string): void;
  /** Tells something else. */
  say(text: string): void;
}

/** @param name of the file that is imported. */
export function createDisplay(
  name: string,
  stream: Pick<WriteStream, "write"> & Partial<Pick<WriteStream, "isTTY" | "columns">>,
  clock: () => number,
): Display {
  const interval = stream.isTTY ? TERMINAL_INTERVAL : INTERVAL;
  let last = clock();
  let shows = false;
  const clear = () => {
    if (shows) stream.write(CLEAR_LINE);
    shows = false;
  };
  const writeLine = (text: string) => {
    clear();
    stream.write(`${text}\n`);
  };
  return {
    update(progress) {
      if (clock() - last < interval) return;
      last = clock();
      const text = `${name}: ${percentOf(progress)} %, ${countsOf(progress)}`;
      if (!stream.isTTY) return writeLine(text);
      clear();
      stream.write(text.slice(0, (stream.columns ?? 80) - 1));
      shows = true;
    },
    refuse: (line, why) => writeLine(`${name}:${line}: ${why}`),
    say: (text) => writeLine(`${name}: ${text}`),
  };
}

/** How many lines came to what. */
export function countsOf({ imported, known, refused }: Progress): string {
  return `${group(imported)} imported, ${group(known)} already there, ${group(refused)} refused`;
}

function percentOf({ offset, file }: Progress): number {
  return file.size === 0 ? 100 : Math.floor((100 * offset) / file.size);
}

function group(count: number): string {
  return count.toLocaleString("en-US");
}
