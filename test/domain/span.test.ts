import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addSpan, inWords, lengthOf, parseSpan } from "../../src/domain/span.ts";
import { DAY, HOUR, MINUTE, NOW, SECOND } from "./world.ts";

const months = (count: number, ms = 0) => ({ months: count, ms });

describe("a text is a span", () => {
  test.each([
    ["6 hours", 6 * HOUR],
    ["1 hour", HOUR],
    ["6hours", 6 * HOUR],
    ["6 Hours", 6 * HOUR],
    ["6 HRS", 6 * HOUR],
    ["90d", 90 * DAY],
    ["90D", 90 * DAY],
    ["30m", 30 * MINUTE],
    ["15 min", 15 * MINUTE],
    ["2 weeks", 14 * DAY],
    ["1w", 7 * DAY],
    ["45 secs", 45 * SECOND],
    ["250ms", 250],
    ["1 hour 30 minutes", 1.5 * HOUR],
    ["1h30m", 1.5 * HOUR],
    ["30 minutes 1 hour", 1.5 * HOUR],
    ["1.5 hours", 1.5 * HOUR],
    ["0.5d", DAY / 2],
    ["1.001s", 1001],
    ["1.1 hours", 66 * MINUTE],
    ["0.9ms", 0],
    ["0 hours", 0],
    ["007 days", 7 * DAY],
    ["3 months", months(3)],
    ["1 mo", months(1)],
    ["2 years", months(24)],
    ["1.5 years", months(18)],
    ["1 year 2 months 3 days", months(14, 3 * DAY)],
    ["P30D", 30 * DAY],
    ["PT6H", 6 * HOUR],
    ["PT0.5H", HOUR / 2],
    ["PT1.5S", 1500],
    ["P2W", 14 * DAY],
    ["P1DT12H30M", 36.5 * HOUR],
    ["P1Y2M", months(14)],
    ["P1M", months(1)],
    ["PT1M", MINUTE],
    ["P1MT1M", months(1, MINUTE)],
    ["P0D", 0],
    [`${"9".repeat(60)}h`, Number("9".repeat(60)) * HOUR],
  ])("%j", (text, expected) => {
    expect(parseSpan(text)).toEqual(expected);
  });
});

describe("a text is no span", () => {
  test.each([
    ...["", " ", "6", "hours", "h6", "6 hours ", " 6 hours", "6  hours", "6\thours", "6\u00a0hours", "6 hours\n"],
    ...["-6 hours", "+6 hours", "6 hours ago", "in 6 hours", "6 hours!", "6 hours, 5", "1 hour and 5 minutes", "6 h 5"],
    ...["6M", "6 fortnights", "6 light years", "6 constructor", "6 __proto__", "1 hour 1 hour", "1h 2hrs"],
    ...[
      "NaN hours",
      "Infinity hours",
      "forever",
      "permanent",
      "1e3 hours",
      "0x10 hours",
      "1,5 hours",
      "1. hours",
      ".5h",
    ],
    ...[
      "1.5.5h",
      "½ hour",
      "٦ hours",
      "６ hours",
      "6 hourſ",
      "6 \u212Aours",
      "six hours",
      "null",
      "6_000 s",
      "1/2 hour",
    ],
    ...["0.5 months", "1.1 years", "P0.5M", "P1.1Y", "P", "PT", "P1DT", "P1", "P1H", "PT1D", "P1M1Y", "P1D1W", "p1d"],
    ...["-P1D", "P-1D", "PT-1H", "+P1D", " P1D", "P1D ", "P 1D", "P1,5D", "P١D", "P1d", "PTH", "P1DP1D", "P0001-02-03"],
    ...[`P${"9".repeat(60)}D`, "2026-01-01", "PERMANENT", "P1D/2026-01-01", "R5/PT1H"],
  ])("%j", (text) => {
    expect(parseSpan(text)).toBeUndefined();
  });

  test("whatever else it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const span = parseSpan(text);
        expect(span === undefined || lengthOf(span) >= 0).toBe(true);
      }),
    );
  });
});

describe("months and years go by the calendar, in UTC", () => {
  test.each([
    ["2026-01-31T12:00:00.000Z", "1 month", "2026-02-28T12:00:00.000Z"],
    ["2028-01-31T12:00:00.000Z", "1 month", "2028-02-29T12:00:00.000Z"],
    ["2026-01-31T12:00:00.000Z", "2 months", "2026-03-31T12:00:00.000Z"],
    ["2026-02-28T23:59:59.999Z", "1 month", "2026-03-28T23:59:59.999Z"],
    ["2028-02-29T00:00:00.000Z", "1 year", "2029-02-28T00:00:00.000Z"],
    ["2027-03-01T00:00:00.000Z", "1 year", "2028-03-01T00:00:00.000Z"],
    ["2026-12-31T00:00:00.000Z", "P1Y2M", "2028-02-29T00:00:00.000Z"],
    ["2026-01-31T00:00:00.000Z", "1 month 1 day", "2026-03-01T00:00:00.000Z"],
    ["2026-03-28T12:00:00.000Z", "1 day", "2026-03-29T12:00:00.000Z"],
  ])("%s and %s is %s", (start, text, end) => {
    expect(new Date(addSpan(Date.parse(start), parseSpan(text) ?? 0)).toISOString()).toBe(end);
  });

  test("and end where dates do", () => {
    expect(addSpan(NOW, months(1e9))).toBe(Number.POSITIVE_INFINITY);
    expect(addSpan(NOW, months(1e60, 1e60))).toBe(Number.POSITIVE_INFINITY);
  });

  test("but have 30 and 365 days where nothing begins", () => {
    expect([months(1), months(12), months(14, HOUR), HOUR].map(lengthOf)).toEqual([
      30 * DAY,
      365 * DAY,
      425 * DAY + HOUR,
      HOUR,
    ]);
  });
});

describe("a span in words", () => {
  test.each([
    [1, "1 millisecond"],
    [HOUR, "1 hour"],
    [36 * HOUR, "1 day 12 hours"],
    [90 * DAY, "90 days"],
    [1500 * DAY + 1500, "1500 days 1 second 500 milliseconds"],
    [months(1), "1 month"],
    [months(14, DAY), "1 year 2 months 1 day"],
  ])("%j is %s", (span, words) => {
    expect(inWords(span)).toBe(words);
  });

  test("is read back as the same", () => {
    const ms = fc.integer({ min: 1, max: 1e15 });
    const spans = fc.oneof(
      ms,
      fc.record({ months: fc.integer({ min: 1, max: 1e5 }), ms: fc.oneof(fc.constant(0), ms) }),
    );
    fc.assert(
      fc.property(spans, (span) => {
        expect(parseSpan(inWords(span))).toEqual(span);
      }),
    );
  });
});
