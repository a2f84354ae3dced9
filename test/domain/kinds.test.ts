import { describe, expect, test } from "vitest";
import { builtInKinds, kindDefaults, kindTable } from "../../src/domain/kinds.ts";
import { lengthOf } from "../../src/domain/span.ts";
import { DAY, HOUR, kindOf, MINUTE } from "./world.ts";

describe("the built-in kinds", () => {
  const builtIn = (name: string) => builtInKinds.get(name);
  const everyone = ["token", "jwt", "certificate"];

  test.each([
    [
      "personal",
      "lk_pat",
      "90 days by default, permanent allowed, made by everyone for itself",
      {
        defaultLifetime: 90 * DAY,
        maxLifetime: undefined,
        permanent: true,
        defaultUses: undefined,
        maxUses: undefined,
        creators: everyone,
      },
    ],
    [
      "service",
      "lk_svc",
      "permanent allowed, made by administrators",
      { permanent: true, maxUses: undefined, creators: [] },
    ],
    [
      "session",
      "lk_ses",
      "10 hours by default, 31 days at most",
      { defaultLifetime: 10 * HOUR, maxLifetime: 31 * DAY, permanent: false, creators: [] },
    ],
    [
      "refresh",
      "lk_ref",
      "31 days",
      {
        defaultLifetime: 31 * DAY,
        maxLifetime: 31 * DAY,
        permanent: false,
        creators: [],
        exchangesTo: [{ kind: "access", consume: false, rotate: false, revokeOnReuse: false }],
      },
    ],
    [
      "access",
      "",
      "a JWT of an hour, made from others only",
      { format: "jwt", defaultLifetime: HOUR, maxLifetime: HOUR, permanent: false, creators: [], exchangesTo: [] },
    ],
    [
      "link",
      "lk_link",
      "15 minutes and one use",
      {
        defaultLifetime: 15 * MINUTE,
        maxLifetime: DAY,
        permanent: false,
        defaultUses: 1,
        maxUses: 1,
        creators: [],
        exchangesTo: [{ kind: "session", consume: true, rotate: false, revokeOnReuse: false }],
      },
    ],
  ])("%s (%s): %s", (name, prefix, _, policy) => {
    expect(builtIn(name)).toMatchObject({ name, prefix, retention: DAY, ...policy });
  });

  test("are these and no others", () => {
    expect([...builtInKinds.keys()]).toEqual(["personal", "service", "session", "refresh", "access", "link"]);
  });

  test("contradict neither themselves nor each other", () => {
    const kinds = [...builtInKinds.values()];
    expect(new Set(kinds.map((kind) => kind.prefix)).size).toBe(kinds.length);
    for (const kind of kinds) {
      expect(lengthOf(kind.defaultLifetime ?? 0)).toBeLessThanOrEqual(
        kind.maxLifetime === undefined ? Number.POSITIVE_INFINITY : lengthOf(kind.maxLifetime),
      );
      expect(kind.defaultUses ?? 0).toBeLessThanOrEqual(kind.maxUses ?? Number.POSITIVE_INFINITY);
      expect(kind.defaultLifetime !== undefined || kind.permanent).toBe(true);
    }
  });
});

test("a kind of which nothing is said lives 90 days, is not permanent and is made by administrators only", () => {
  expect(kindDefaults).toMatchObject({ defaultLifetime: 90 * DAY, permanent: false, creators: [], retention: DAY });
});

test("a table finds kinds by their names, and nothing that JavaScript's objects inherit", () => {
  const table = kindTable([kindOf({ name: "a", prefix: "aa" }), kindOf({ name: "b", prefix: "bb" })]);
  expect(table.get("b")?.prefix).toBe("bb");
  expect(table.get("constructor")).toBeUndefined();
});
