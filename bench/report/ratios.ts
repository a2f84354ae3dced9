import type { Measured } from "../compare.ts";
import { median, ratios, round2 } from "./statistics.ts";

/** How a candidate's calls for each second on a core stand to another's. */
export interface Ratio {
  /** As in `b/a`. */
  readonly name: string;
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** What is to be reached. */
  readonly atLeast: number;
}

const PROMISES: Readonly<Record<string, number>> = { "b/a": 0.85, "b/d": 4, "b/e": 1.25, "b/f": 2.5, "b/g": 2.5 };

/** The ratios with a goal between candidates that were measured, each from round to round. */
export function ratiosBetween(all: readonly Measured[]): Ratio[] {
  const numbers = new Map(all.map(({ candidate, callsPerCoreSecond }) => [candidate.letter, callsPerCoreSecond]));
  return Object.entries(PROMISES).flatMap(([name, atLeast]) => {
    const [one, other] = name.split("/").map((letter) => numbers.get(letter));
    if (!one || !other) return [];
    const found = ratios(one, other);
    return {
      name,
      median: round2(median(found)),
      low: round2(Math.min(...found)),
      high: round2(Math.max(...found)),
      atLeast,
    };
  });
}
