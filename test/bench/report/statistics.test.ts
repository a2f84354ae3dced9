import { expect, test } from "vitest";
import { median, ratios } from "../../../bench/report/statistics.ts";

test("the median is the middle one, or between the two", () => {
  expect(median([3, 1, 10])).toBe(3);
  expect(median([4, 1, 10, 2])).toBe(3);
  expect(median([])).toBeNaN();
});

test("ratios compare within a round", () => {
  expect(ratios([10, 100], [5, 200])).toEqual([2, 0.5]);
});
