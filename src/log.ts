import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { type Logger, pino } from "pino";

/** The log of this process. */
export interface ProcessLog {
  readonly log: Logger;
  /** Ends the process with 0 when all lines are written, or half a second later. */
  end(): Promise<void>;
}

/** How many bytes go to stderr at once. Up to so many no pipe tears (PIPE_BUF), so that lines of several processes don't mix. */
const MAX_WRITE = 4096;
/** How many bytes may wait for a slow reader. */
const MAX_WAITING = 1024 * 1024;

/**
 * JSON lines on stderr, so that what is meant for people has stdout for itself. They are written beside the work, and dropped
 * beyond a megabyte: who reads them slowly, or not at all, must not hold the service up.
 *
 * @param worker the number of the process among several that write to the same place; in each of its lines.
 */
export function openLog(level: string, worker?: number): ProcessLog {
  const lines = pino.destination({ fd: 2, sync: false, maxLength: MAX_WAITING, maxWrite: MAX_WRITE });
  const log = pino({ level }, lines);
  return {
    log: worker === undefined ? log : log.child({ worker }),
    async end() {
      const written = once(lines, "close").then(() => true);
      lines.end();
      if (await Promise.race([written, setTimeout(500, false)])) process.exit(0);
      // All is done and closed, but a thread still writes to a log that nobody reads: `exit` would wait for it for ever.
      process.kill(process.pid, "SIGKILL");
    },
  };
}
