import { describe, expect, test } from "vitest";
import {
  changed,
  edited,
  endOf,
  hasEnded,
  holdsUntil,
  idleEndOf,
  isPurged,
  statusOf,
  used,
} from "../../src/domain/token.ts";
import { DAY, HOUR, MINUTE, NOW, SECOND, tokenOf } from "./world.ts";

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
    ["ACTIVE until it went unused for too long", { createTime: NOW - HOUR + 1, idleTimeout: HOUR }, "ACTIVE"],
    ["EXPIRED once it went unused for too long", { createTime: NOW - HOUR, idleTimeout: HOUR }, "EXPIRED"],
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
  ["until it went unused for too long", { idleTimeout: HOUR }, NOW + HOUR],
])("a token holds its label and its place %s", (_, changes, expected) => {
  expect(holdsUntil(tokenOf(changes))).toBe(expected);
});

test("a change counts as a new version, an edit also as a new revision; the record before stays as it was", () => {
  const token = Object.freeze(tokenOf({ version: 3, revision: 2 }));
  expect(changed(token, { lastUsedTime: NOW })).toEqual({ ...token, version: 4, revision: 2, lastUsedTime: NOW });
  expect(edited(token, { active: false })).toEqual({ ...token, version: 4, revision: 3, active: false });
});

describe("a token ends", () => {
  test.each([
    ["never, if it is permanent and may go unused", { expireTime: undefined }, undefined, undefined],
    ["at its expiry, if it may go unused", {}, undefined, NOW + DAY],
    ["so long after it was made, if it was never used", { idleTimeout: HOUR }, NOW + HOUR, NOW + HOUR],
    ["so long after its last use", { idleTimeout: HOUR, lastUsedTime: NOW + 5 }, NOW + 5 + HOUR, NOW + 5 + HOUR],
    ["at its expiry, if that comes first", { idleTimeout: 2 * DAY }, NOW + 2 * DAY, NOW + DAY],
    ["for want of use also if it is permanent", { idleTimeout: HOUR, expireTime: undefined }, NOW + HOUR, NOW + HOUR],
  ])("%s", (_, changes, idleEnd, end) => {
    const token = tokenOf(changes);
    expect([idleEndOf(token), endOf(token)]).toEqual([idleEnd, end]);
    expect(hasEnded(token, (end ?? Number.MAX_SAFE_INTEGER) - 1)).toBe(false);
    expect(hasEnded(token, end ?? Number.MAX_SAFE_INTEGER)).toBe(end !== undefined);
  });
});

describe("a use", () => {
  const idle = tokenOf({ idleTimeout: HOUR, purgeTime: NOW + HOUR + 7 * MINUTE, version: 3 });

  test("is a new version with the time of the use, and nothing else", () => {
    expect(used(tokenOf(), NOW + 1)).toEqual(tokenOf({ version: 2, lastUsedTime: NOW + 1 }));
  });

  test("moves on the end and the purge of a token that must not go unused, with the same retention", () => {
    const next = used(idle, NOW + MINUTE);
    expect(next).toEqual({ ...idle, version: 4, lastUsedTime: NOW + MINUTE, purgeTime: NOW + HOUR + 8 * MINUTE });
    expect(used(next, NOW + HOUR).purgeTime).toBe(NOW + 2 * HOUR + 7 * MINUTE);
  });

  test("moves them no further than the expiry allows", () => {
    const token = tokenOf({ idleTimeout: HOUR, expireTime: NOW + HOUR + 1, purgeTime: NOW + 2 * HOUR });
    const next = used(token, NOW + MINUTE);
    expect([endOf(next), next.purgeTime]).toEqual([NOW + HOUR + 1, NOW + 2 * HOUR + 1]);
  });

  test("leaves a purge that comes with it alone", () => {
    expect(used(idle, NOW + MINUTE, { usesLeft: 0, purgeTime: NOW + 5 })).toMatchObject({
      usesLeft: 0,
      purgeTime: NOW + 5,
      lastUsedTime: NOW + MINUTE,
    });
  });

  test("by a clock that is behind takes nothing back", () => {
    const token = { ...idle, lastUsedTime: NOW + 5 * MINUTE, purgeTime: NOW + HOUR + 12 * MINUTE };
    expect(used(token, NOW)).toEqual({ ...token, version: 4 });
  });

  test("does not bring back what has ended", () => {
    expect(used(idle, NOW + HOUR, { usesLeft: 1 })).toEqual({ ...idle, version: 4, usesLeft: 1 });
    expect(used(tokenOf(), NOW + DAY + SECOND)).toEqual(tokenOf({ version: 2 }));
  });
});
