import { describe, expect, test } from "vitest";
import { changed, edited, holdsUntil, isPurged, statusOf } from "../../src/domain/token.ts";
import { DAY, NOW, tokenOf } from "./world.ts";

describe("the status of a token", () => {
  const past = { expireTime: NOW - 1 };
  test.each([
    ["ACTIVE before its expiry", {}, "ACTIVE"],
    ["ACTIVE if it is permanent", { expireTime: undefined }, "ACTIVE"],
    ["ACTIVE in its last millisecond", { expireTime: NOW + 1 }, "ACTIVE"],
    ["EXPIRED from the millisecond of its expiry on", { expireTime: NOW }, "EXPIRED"],
    ["ACTIVE with uses left", { usesLeft: 1 }, "ACTIVE"],
    ["EXHAUSTED without uses left", { usesLeft: 0 }, "EXHAUSTED"],
    ["INACTIVE if it is switched off", { active: false }, "INACTIVE"],
    ["EXPIRED rather than EXHAUSTED or INACTIVE", { ...past, usesLeft: 0, active: false }, "EXPIRED"],
    ["EXHAUSTED rather than INACTIVE", { usesLeft: 0, active: false }, "EXHAUSTED"],
  ])("is %s", (_, changes, expected) => {
    expect(statusOf(tokenOf(changes), NOW)).toBe(expected);
  });
});

test.each([
  ["not before its purge time", NOW + 1, false],
  ["from its purge time on", NOW, true],
  ["never, if it has none", undefined, false],
])("a token is gone %s", (_, purgeTime, expected) => {
  expect(isPurged(tokenOf({ purgeTime }), NOW)).toBe(expected);
});

test.each([
  ["until its expiry", {}, NOW + DAY],
  ["for ever, if it is permanent", { expireTime: undefined }, undefined],
  ["also while it is switched off, for it can come back", { active: false }, NOW + DAY],
  ["no longer, once it is used up", { usesLeft: 0 }, 0],
])("a token holds its label and its place %s", (_, changes, expected) => {
  expect(holdsUntil(tokenOf(changes))).toBe(expected);
});

test("a change counts as a new version, an edit also as a new revision; the record before stays as it was", () => {
  const token = Object.freeze(tokenOf({ version: 3, revision: 2 }));
  expect(changed(token, { lastUsedTime: NOW })).toEqual({ ...token, version: 4, revision: 2, lastUsedTime: NOW });
  expect(edited(token, { active: false })).toEqual({ ...token, version: 4, revision: 3, active: false });
});
