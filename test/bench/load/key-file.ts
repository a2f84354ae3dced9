import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { KeyFile } from "../../../bench/load/job.ts";
import { type Key, writeKeys } from "../../../bench/tokens/fill.ts";

export const KEYS: readonly Key[] = [
  { key: "secret-0", proof: "id-0", isGood: true },
  { key: "secret-1", proof: "id-1", isGood: true },
  { key: "secret-2", proof: "id-2", isGood: false },
];

/** A key file that is gone after the test. Calls pick from it in turn. */
export function keyFile(keys = KEYS): KeyFile {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return writeKeys(join(folder, "keys"), keys, "in-turn");
}
