import { readFileSync } from "node:fs";
import type { KeyFile } from "./job.ts";
import { zipfPicks } from "./picks.ts";

/** What the calls pick from. A pick is any whole number from 0; picks go round. */
export interface KeyTable {
  readonly keyBytes: number;
  copyKey(pick: number, target: Buffer, at: number): void;
  /** Whether the picked key is one of a good token. */
  isGood(pick: number): boolean;
  /** What the answer about the picked key must hold. */
  proof(pick: number): Buffer;
}

/** Reads what `writeKeys` has written. */
export function readKeys({ path, order, keyBytes, proofBytes }: KeyFile): KeyTable {
  const lines = readFileSync(path);
  const width = keyBytes + proofBytes + 2;
  const count = lines.length / width;
  const picks = order === "zipf" ? zipfPicks(count) : Uint32Array.from({ length: count }, (_, index) => index);
  const at = (pick: number) => (picks[pick % picks.length] as number) * width;
  return {
    keyBytes,
    copyKey: (pick, target, position) => lines.copy(target, position, at(pick), at(pick) + keyBytes),
    isGood: (pick) => lines[at(pick) + keyBytes + proofBytes] === GOOD,
    proof: (pick) => lines.subarray(at(pick) + keyBytes, at(pick) + keyBytes + proofBytes),
  };
}

const GOOD = "+".charCodeAt(0);

/** A line of a key file: all keys of a file are of one length, and all proofs. */
export function keyLine({ key, proof, isGood }: { key: string; proof: string; isGood: boolean }): string {
  return `${key}${proof}${isGood ? "+" : "-"}\n`;
}
