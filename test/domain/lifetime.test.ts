import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Lifetime, purgeTimeOf, resolveExpireTime } from "../../src/domain/lifetime.ts";
import { DAY, HOUR, kindOf, NOW, refusal, thrownBy } from "./world.ts";

const END_OF_TIME = Date.parse("9999-12-31T23:59:59.999Z");
const anyLength = kindOf({ permanent: true });
const oneDay = kindOf({ defaultLifetime: HOUR, maxLifetime: DAY });

const ttl = (duration: number): Lifetime => ({ type: "ttl", duration });
const until = (time: number): Lifetime => ({ type: "until", time });

describe("a token expires", () => {
  test.each<[string, Lifetime, number | undefined]>([
    ["after its kind's default if nothing is asked for", { type: "default" }, NOW + HOUR],
    ["after the life that is asked for", ttl(2 * HOUR), NOW + 2 * HOUR],
    ["a millisecond from now at the earliest", ttl(1), NOW + 1],
    ["never later than asked for: a part of a millisecond does not count", ttl(1.9), NOW + 1],
    ["at the moment that is asked for", until(NOW + 5), NOW + 5],
    ["after the kind's longest life at the latest", ttl(DAY), NOW + DAY],
    ["after the kind's longest life at the latest, named as a moment", until(NOW + DAY), NOW + DAY],
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

  test("in the last millisecond of the year 9999 at the very latest", () => {
    expect(resolveExpireTime(anyLength, until(END_OF_TIME), NOW)).toBe(END_OF_TIME);
  });
});

describe("a lifetime is refused", () => {
  const past = "must end in the future, a millisecond from now or later";
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
  ])("%s", (_, lifetime, field, description) => {
    const error = thrownBy(() => resolveExpireTime(anyLength, lifetime, NOW));
    expect(error).toMatchObject(refusal("LIFETIME_INVALID", `${field}: ${description}`));
    expect(error).toMatchObject({ violations: [{ field, description }] });
  });

  test.each<[string, Lifetime, string]>([
    ["as a life", ttl(DAY + 1), "ttl"],
    ["as a moment", until(NOW + DAY + 1), "expire_time"],
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
