import { describe, expect, test } from "vitest";
import { gainOf, growthOf } from "./growth.ts";

const MINUTES = 30;

/** A reading each ten seconds, of what a function makes of the minutes. */
function readings(value: (minutes: number, index: number) => number) {
  return Array.from({ length: MINUTES * 6 }, (_, index) => ({ time: index * 10_000, value: value(index / 6, index) }));
}

describe("the growth of", () => {
  test("what stays the same is none", () => {
    expect(growthOf(readings(() => 7))).toEqual({ early: 7, late: 7, trend: 0 });
  });

  test("what grows steadily is what it gains over two thirds, and between the quarters", () => {
    const { early, late, trend } = growthOf(readings((minutes) => 100 + minutes));
    expect(late - early).toBeCloseTo(15);
    expect(trend).toBeCloseTo(20, 0);
  });

  test("what swings around a value is small beside the swing", () => {
    const swinging = growthOf(readings((_, index) => 100 + 20 * Math.sin(index * 2.4)));
    expect(Math.abs(gainOf(swinging))).toBeLessThan(2);
  });

  test("what grows at first and then no more is none", () => {
    expect(gainOf(growthOf(readings((minutes) => Math.min(minutes * 10, 60))))).toBe(0);
  });

  test("what grows below a swing is seen nevertheless", () => {
    const growing = growthOf(readings((minutes, index) => minutes + 20 * Math.sin(index * 2.4)));
    expect(gainOf(growing)).toBeGreaterThan(15);
  });

  test("what grows at the end only is seen", () => {
    expect(gainOf(growthOf(readings((minutes) => Math.max(0, minutes - 20))))).toBeGreaterThan(5);
  });

  test("few readings is none that could be told", () => {
    expect(() => growthOf(readings(() => 7).slice(0, 7))).toThrow("7 readings tell nothing of a growth");
  });
});
