import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { ConfigError } from "../../src/config/config-error.ts";

/** A folder that is gone when the test is over. */
export function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-config-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** The path of a file with this text, in a folder of its own. */
export function writeFixture(name: string, text: string): string {
  const path = join(makeFolder(), name);
  writeFileSync(path, text);
  return path;
}

/** The fault lines of the ConfigError that `run` throws, with the path of a file shortened to its name. */
export function faultsOf(run: () => unknown): string[] {
  return errorOf(run).faults.map((fault) => fault.replace(/^\S*\//, ""));
}

export function errorOf(run: () => unknown): ConfigError {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
