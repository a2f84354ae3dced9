import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isReserved, normalizeScopes, permissionsOf } from "../../src/domain/scopes.ts";

describe("permissions", () => {
  test.each([
    ["nobody", [], []],
    ["a scope of another service", ["repo:read", "admin", "root"], []],
    ["latchkey:self", ["latchkey:self"], ["latchkey:self"]],
    ["latchkey:introspect, which does not reach tokens", ["latchkey:introspect"], ["latchkey:introspect"]],
    [
      "latchkey:admin, which implies both",
      ["latchkey:admin"],
      ["latchkey:admin", "latchkey:introspect", "latchkey:self"],
    ],
    [
      "latchkey:root, which implies all",
      ["latchkey:root"],
      ["latchkey:admin", "latchkey:introspect", "latchkey:root", "latchkey:self"],
    ],
    ["two, which add up", ["latchkey:self", "latchkey:introspect"], ["latchkey:introspect", "latchkey:self"]],
    ["a permission in another case, which is none", ["LATCHKEY:ROOT", "latchkey:Root"], []],
    [
      "a permission with something around it, which is none",
      ["latchkey:root ", " latchkey:root", "latchkey:root:x", "xlatchkey:root"],
      [],
    ],
    ["what JavaScript's objects inherit, which is none", ["constructor", "__proto__", "toString"], []],
  ])("of %s", (_, scopes, expected) => {
    expect([...permissionsOf(scopes)].sort()).toEqual(expected);
  });
});

describe("the namespace latchkey:", () => {
  test.each([
    ["latchkey:root", true],
    ["latchkey:anything", true],
    ["latchkey:", true],
    ["latchkey", false],
    ["Latchkey:root", false],
    ["repo:latchkey:root", false],
  ])("%s is reserved: %s", (scope, expected) => {
    expect(isReserved(scope)).toBe(expected);
  });
});

test("scopes are kept sorted and without repeats, and nothing else changes about them", () => {
  expect(normalizeScopes(["b", "a", "B", "b", "a:1"])).toEqual(["B", "a", "a:1", "b"]);
  fc.assert(
    fc.property(fc.array(fc.string()), (scopes) => {
      const normal = normalizeScopes(scopes);
      expect(new Set(normal)).toEqual(new Set(scopes));
      expect(normalizeScopes(normal.toReversed())).toEqual(normal);
    }),
  );
});
