import { writeFileSync } from "node:fs";
import type { KeyFile } from "../load/job.ts";
import { keyLine } from "../load/keys.ts";

/** A key with which calls ask, and what the answer about it must hold. */
export interface Key {
  readonly key: string;
  readonly proof: string;
  readonly isGood: boolean;
}

/** Every so many tokens one is gone before it is asked for, so that a server that says yes to all is found out. */
export function isGone(index: number): boolean {
  return index % 50 === 7;
}

/** The subject of a token, when each has ten of them. */
export function subjectOf(index: number): string {
  return subjectName(Math.floor(index / 10));
}

export function subjectName(number: number): string {
  return `user-${String(number).padStart(7, "0")}`;
}

/** Writes what the calls are to pick from. */
export function writeKeys(path: string, keys: readonly Key[], order: KeyFile["order"] = "zipf"): KeyFile {
  const [first] = keys;
  if (!first) throw new Error("there are no keys to write");
  const odd = keys.find(({ key, proof }) => key.length !== first.key.length || proof.length !== first.proof.length);
  if (odd) throw new Error("keys and proofs must be of one length");
  writeFileSync(path, keys.map(keyLine).join(""), { mode: 0o600 });
  return { path, order, keyBytes: first.key.length, proofBytes: first.proof.length };
}

/** Runs `work` for 0 to `count` - 1, so many at once; answers the results in order. */
export async function inParallel<T>(count: number, width: number, work: (index: number) => Promise<T>): Promise<T[]> {
  const results = new Array<T>(count);
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const index = next++;
      results[index] = await work(index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, count) }, lane));
  return results;
}
