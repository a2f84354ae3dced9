import { expect, test } from "vitest";
import type { Candidate } from "../../../bench/candidates/table.ts";
import type { Measured } from "../../../bench/compare.ts";
import { ratiosBetween } from "../../../bench/report/ratios.ts";

function measured(letter: string, callsPerCoreSecond: number[]): Measured {
  return { candidate: { letter } as Candidate, callsPerCoreSecond } as Measured;
}

test("compares those that were measured, round by round", () => {
  const all = [measured("a", [100, 200, 100]), measured("b", [90, 160, 95]), measured("d", [20, 40, 20])];
  expect(ratiosBetween(all)).toEqual([
    { name: "b/a", median: 0.9, low: 0.8, high: 0.95, atLeast: 0.85 },
    { name: "b/d", median: 4.5, low: 4, high: 4.75, atLeast: 4 },
  ]);
});
