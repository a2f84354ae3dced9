import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Has a shell script run when the answer is called or when this process is gone, however it ended: by Ctrl-C or
 * `kill -9` too. It runs once, with the words as `$1`, `$2` …, and the answer resolves when it is done.
 */
export function runAtEnd(script: string, ...words: string[]): () => Promise<void> {
  // The pipe closes with this process. In a session of its own, so that no Ctrl-C ends it first.
  const child = spawn("sh", ["-c", `read -r _; ${script}`, "at-end", ...words], {
    cwd: "/",
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const exit = new Promise<void>((resolve, reject) => child.once("exit", () => resolve()).once("error", reject));
  exit.catch(() => {});
  child.stdin.on("error", () => {});
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  return () => {
    child.ref();
    child.stdin.end();
    return exit;
  };
}

/** A temporary folder, which goes with all processes that work in it. */
export interface TemporaryFolder {
  readonly path: string;
  /** Comes by itself when this process ends, however it does. */
  remove(): Promise<void>;
}

const KILL_AND_REMOVE = `
find /proc -maxdepth 2 -name cwd \\( -lname "$1" -o -lname "$1/*" \\) 2>/dev/null |
  while IFS=/ read -r _ _ pid _; do kill -9 "$pid"; done
for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$1" && exit; sleep 0.1; done`;

export function createFolder(prefix: string): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), prefix));
  return { path, remove: runAtEnd(KILL_AND_REMOVE, path) };
}
