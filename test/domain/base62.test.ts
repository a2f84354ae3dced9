import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeBase62, randomBase62 } from "../../src/domain/base62.ts";

describe("base62", () => {
  test.each([
    [0, 1, "0"],
    [9, 1, "9"],
    [10, 1, "A"],
    [35, 1, "Z"],
    [36, 1, "a"],
    [61, 1, "z"],
    [62, 2, "10"],
    [0, 6, "000000"],
    [0xffff_ffff, 6, "4gfFC3"],
    [62 ** 6 - 1, 6, "zzzzzz"],
  ])("writes %i in %i characters as %s", (value, length, text) => {
    expect(encodeBase62(value, length)).toBe(text);
  });

  test("writes different numbers differently", () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.nat(0xffff_ffff), (a, b) => {
        expect(encodeBase62(a, 6) === encodeBase62(b, 6)).toBe(a === b);
      }),
    );
  });

  test("random text has the length that is asked for and no other characters", () => {
    fc.assert(
      fc.property(
        fc.nat(100),
        (length) => void expect(randomBase62(length)).toMatch(new RegExp(`^[0-9A-Za-z]{${length}}$`)),
      ),
    );
  });

  test("random text uses all 62 characters, none of them much more than the others", () => {
    const counts = new Map<string, number>();
    for (const character of randomBase62(62_000)) counts.set(character, (counts.get(character) ?? 0) + 1);
    expect(counts.size).toBe(62);
    // 1,000 expected, with a deviation of 32: eight deviations are beyond chance.
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(256);
  });
});
