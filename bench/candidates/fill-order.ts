import type { KeyFile } from "../load/job.ts";
import { required } from "./environment.ts";

/** What a process that fills a store is told. */
export interface FillOrder {
  readonly count: number;
  /** Where the keys go. */
  readonly path: string;
}

export function fillOrder(): FillOrder {
  return JSON.parse(required("FILL")) as FillOrder;
}

/** Tells the one that waits for it, as the only line. */
export function answerWith(answer: KeyFile | object): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
