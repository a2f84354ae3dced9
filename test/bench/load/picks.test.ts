import { expect, test } from "vitest";
import { zipfPicks } from "../../../bench/load/picks.ts";

test("picks by Zipf's law, the same each time", () => {
  const picks = zipfPicks(1000);
  expect(zipfPicks(1000)).toEqual(picks);
  const counts = new Map<number, number>();
  for (const pick of picks) counts.set(pick, (counts.get(pick) ?? 0) + 1);
  const [first = 0, second = 0, third = 0, ...others] = [...counts.values()].toSorted((a, b) => b - a);
  expect(counts.size).toBe(1000);
  expect(first / second).toBeCloseTo(2, 1);
  expect(first / third).toBeCloseTo(3, 1);
  expect(first / (others[96] ?? 0)).toBeGreaterThan(80);
  expect(picks.every((pick) => pick < 1000)).toBe(true);
});
