import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkExpireTime, type Lifetime, purgeTimeOf, resolveExpireTime } from "../../src/domain/lifetime.ts";
import { DAY, HOUR, kindOf, MINUTE, NOW, refusal, SECOND, thrownBy } from "./world.ts";

const END_OF_TIME = Date.parse("9999-12-31T23:59:59.999Z");
const anyLength = kindOf({ permanent: true });
const oneDay = kindOf({ defaultLifetime: HOUR, maxLifetime: DAY });

const ttl = (duration: number): Lifetime => ({ type: "ttl", duration });
const until = (time: number): Lifetime => ({ type: "until", time });
const life = (text: string): Lifetime => ({ type: "life", text });

describe("a token expires", () => {
  test.each<[string, Lifetime, number | undefined]>([
    ["after its kind's default if nothing is asked for", { type: "default" }, NOW + HOUR],
    ["after the life that is asked for", ttl(2 * HOUR), NOW + 2 * HOUR],
    ["a millisecond from now at the earliest", ttl(1), NOW + 1],
    ["never later than asked for: a part of a millisecond does not count", ttl(1.9), NOW + 1],
    ["at the moment that is asked for", until(NOW + 5), NOW + 5],
    ["after the kind's longest life at the latest", ttl(DAY), NOW + DAY],
    ["after the kind's longest life at the latest, named as a moment", until(NOW + DAY), NOW + DAY],
    ["after the life that is asked for in words", life("1 hour 30 minutes"), NOW + 1.5 * HOUR],
    ["after the life that is asked for in ISO 8601", life("PT90M"), NOW + 1.5 * HOUR],
    ["after the kind's longest life at the latest, in words", life("1 day"), NOW + DAY],
  ])("%s", (_, lifetime, expected) => {
    expect(resolveExpireTime(oneDay, lifetime, NOW)).toBe(expected);
  });

  test("never, if that is asked for and the kind allows it", () => {
    expect(resolveExpireTime(anyLength, { type: "permanent" }, NOW)).toBeUndefined();
  });

  test("never, if that is the kind's default", () => {
    const kind = kindOf({ defaultLifetime: undefined, permanent: true });
    expect(resolveExpireTime(kind, { type: "default" }, NOW)).toBeUndefined();
  });

  test.each([
    ["1 month", "2026-02-15T12:00:00.000Z"],
    ["P1Y", "2027-01-15T12:00:00.000Z"],
    ["7973 years 11 months", "9999-12-15T12:00:00.000Z"],
  ])("after months and years of the calendar: %s", (text, end) => {
    expect(resolveExpireTime(anyLength, life(text), NOW)).toBe(Date.parse(end));
  });

  test("after months of the calendar, if that is the kind's default or longest", () => {
    const kind = kindOf({ defaultLifetime: { months: 1, ms: 0 }, maxLifetime: { months: 2, ms: 0 } });
    expect(resolveExpireTime(kind, { type: "default" }, NOW)).toBe(Date.UTC(2026, 1, 15, 12));
    const longest = Date.UTC(2026, 2, 15, 12);
    expect(resolveExpireTime(kind, life("2 months"), NOW)).toBe(longest);
    expect(resolveExpireTime(kind, until(longest), NOW)).toBe(longest);
    expect(thrownBy(() => resolveExpireTime(kind, ttl(longest + 1 - NOW), NOW))).toMatchObject(
      refusal("LIFETIME_TOO_LONG", "ttl: tokens of kind test live 2 months at most"),
    );
  });

  test("in the last millisecond of the year 9999 at the very latest", () => {
    expect(resolveExpireTime(anyLength, until(END_OF_TIME), NOW)).toBe(END_OF_TIME);
  });
});

describe("a lifetime is refused", () => {
  const past = "must end in the future, a millisecond from now or later";
  const form = 'must be a number and a unit ("6 hours", "90d", "1 hour 30 minutes"), or an ISO 8601 duration ("P30D")';
  test.each<[string, Lifetime, string, string]>([
    ["that is zero", ttl(0), "ttl", past],
    ["that is shorter than a millisecond", ttl(0.999), "ttl", past],
    ["that is negative", ttl(-1), "ttl", past],
    ["that is no number", ttl(Number.NaN), "ttl", past],
    ["that ends now", until(NOW), "expire_time", past],
    ["that ended before", until(NOW - 1), "expire_time", past],
    ["that ends before 1970", until(-1), "expire_time", past],
    ["that ends in the year 10000", until(END_OF_TIME + 1), "expire_time", "must end before the year 10000"],
    ["that is longer than time", ttl(Number.MAX_VALUE), "ttl", "must end before the year 10000"],
    ["that is infinite", ttl(Number.POSITIVE_INFINITY), "ttl", "must end before the year 10000"],
    ["of no unit", life("6"), "life", form],
    ["of an unknown unit", life("6 fortnights"), "life", form],
    ["of less than nothing, in words", life("-6 hours"), "life", form],
    ["of less than nothing, in ISO 8601", life("P-1D"), "life", form],
    ["of no number", life("NaN hours"), "life", form],
    ["of digits of other scripts", life("٦ hours"), "life", form],
    ["of a part of a month", life("1.5 months"), "life", form],
    ["with junk behind", life("6 hours!"), "life", form],
    ["of a word", life("forever"), "life", form],
    ["of nothing", life(""), "life", form],
    ["of zero, in words", life("0 hours"), "life", past],
    ["of zero, in ISO 8601", life("P0D"), "life", past],
    ["of less than a millisecond, in words", life("0.9 ms"), "life", past],
    ["of hours beyond dates", life("9999999999 hours"), "life", "must end before the year 10000"],
    ["of years beyond dates", life("7974 years"), "life", "must end before the year 10000"],
    ["of years beyond numbers", life(`${"9".repeat(60)} years`), "life", "must end before the year 10000"],
  ])("%s", (_, lifetime, field, description) => {
    const error = thrownBy(() => resolveExpireTime(anyLength, lifetime, NOW));
    expect(error).toMatchObject(refusal("LIFETIME_INVALID", `${field}: ${description}`));
    expect(error).toMatchObject({ violations: [{ field, description }] });
  });

  test.each<[string, Lifetime, string]>([
    ["as a life", ttl(DAY + 1), "ttl"],
    ["as a moment", until(NOW + DAY + 1), "expire_time"],
    ["in words", life("1 day 1 ms"), "life"],
  ])("that is a millisecond longer than the kind allows, %s", (_, lifetime, field) => {
    expect(thrownBy(() => resolveExpireTime(oneDay, lifetime, NOW))).toMatchObject(
      refusal("LIFETIME_TOO_LONG", `${field}: tokens of kind test live 1 day at most`),
    );
  });

  test("that is permanent, where the kind has no permanent tokens", () => {
    expect(thrownBy(() => resolveExpireTime(oneDay, { type: "permanent" }, NOW))).toMatchObject(
      refusal("PERMANENT_NOT_ALLOWED", "permanent: not for tokens of kind test"),
    );
  });
});

describe("where a kind names the lives that can be asked for", () => {
  const lives = [HOUR, 1.5 * DAY, { months: 1, ms: 0 }];
  const month = Date.UTC(2026, 1, 15, 12);
  const kind = kindOf({ allowedLifetimes: lives, defaultLifetime: 7 * DAY, permanent: true });

  test.each<[string, Lifetime, number | undefined]>([
    ["one of them", ttl(HOUR), NOW + HOUR],
    ["one of them, in other words", life("36h"), NOW + 1.5 * DAY],
    ["a month of the calendar", life("P1M"), month],
    ["one of them, as a moment", until(NOW + HOUR), NOW + HOUR],
    ["a moment that another clock has cut to seconds", until(month - SECOND + 1), month - SECOND + 1],
    ["nothing in particular: the default need not be one", { type: "default" }, NOW + 7 * DAY],
    ["no end, where the kind allows it", { type: "permanent" }, undefined],
  ])("a token can be asked for with %s", (_, lifetime, expected) => {
    expect(resolveExpireTime(kind, lifetime, NOW)).toBe(expected);
  });

  const named = "tokens of kind test live 1 hour, 1 day 12 hours, or 1 month";
  test.each<[string, Lifetime, string, string]>([
    ["another", ttl(HOUR / 2), "ttl", named],
    ["one between them", life("1 day"), "life", named],
    ["30 days for a month", life("30 days"), "life", named],
    ["a millisecond more", ttl(HOUR + 1), "ttl", named],
    ["a millisecond less", ttl(HOUR - 1), "ttl", named],
    ["a moment that is a millisecond late", until(NOW + HOUR + 1), "expire_time", named],
    ["a moment that is a second early", until(NOW + HOUR - SECOND), "expire_time", named],
    ["a moment in the past", until(NOW - 1), "expire_time", "must end in the future, a millisecond from now or later"],
    ["no life", life("0h"), "life", "must end in the future, a millisecond from now or later"],
    ["a life beyond dates", life("9999 years"), "life", "must end before the year 10000"],
  ])("but not with %s", (_, lifetime, field, description) => {
    const error = thrownBy(() => resolveExpireTime(kind, lifetime, NOW));
    expect(error).toMatchObject(refusal("LIFETIME_INVALID", `${field}: ${description}`));
    expect(error).toMatchObject({ violations: [{ field, description }] });
  });

  test("an expiry that is moved later is bound by the longest life alone", () => {
    const bound = { ...kind, maxLifetime: DAY };
    expect(checkExpireTime(bound, "expire_time", NOW + MINUTE + 0.5, NOW)).toBe(NOW + MINUTE);
    expect(thrownBy(() => checkExpireTime(bound, "expire_time", NOW + DAY + 1, NOW))).toMatchObject(
      refusal("LIFETIME_TOO_LONG", "expire_time: tokens of kind test live 1 day at most"),
    );
  });
});

test("whatever is asked for is either refused or ends in the future and within the kind's longest life", () => {
  const quarters = fc.integer({ min: -8 * DAY, max: 8 * DAY }).map((quarters) => quarters / 4);
  const lifetimes = fc.oneof(
    quarters.map(ttl),
    quarters.map((length) => until(NOW + length)),
  );
  fc.assert(
    fc.property(lifetimes, (lifetime) => {
      const length = lifetime.type === "ttl" ? lifetime.duration : (lifetime as { time: number }).time - NOW;
      if (length < 1) {
        expect(thrownBy(() => resolveExpireTime(oneDay, lifetime, NOW))).toMatchObject(refusal("LIFETIME_INVALID"));
      } else if (length >= DAY + 1) {
        expect(thrownBy(() => resolveExpireTime(oneDay, lifetime, NOW))).toMatchObject(refusal("LIFETIME_TOO_LONG"));
      } else {
        const time = resolveExpireTime(oneDay, lifetime, NOW) as number;
        expect(Number.isSafeInteger(time) && time > NOW && time <= NOW + DAY && time <= NOW + length).toBe(true);
      }
    }),
    { numRuns: 1000 },
  );
});

test.each([
  ["after its expiry and its kind's retention", kindOf({ retention: HOUR }), NOW + HOUR],
  ["with its expiry, if its kind has no retention", kindOf({ retention: 0 }), NOW],
  ["with its expiry, if its kind is gone from the table", undefined, NOW],
])("a record is dropped %s", (_, kind, expected) => {
  expect(purgeTimeOf(kind, NOW)).toBe(expected);
});

test("the record of a permanent token is never dropped", () => {
  expect(purgeTimeOf(kindOf(), undefined)).toBeUndefined();
});
