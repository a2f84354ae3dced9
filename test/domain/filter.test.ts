import { describe, expect, test } from "vitest";
import { type Filter, matches } from "../../src/domain/filter.ts";
import { DAY, NOW, tokenOf } from "./world.ts";

const permanent = { expireTime: undefined };
const used = { lastUsedTime: NOW };

describe("a filter", () => {
  test.each<[string, Filter, Parameters<typeof tokenOf>[0], boolean]>([
    ["without conditions takes every token", {}, {}, true],
    ["by kinds takes each of them", { kinds: ["session", "personal"] }, {}, true],
    ["by kinds takes no other", { kinds: ["session"] }, {}, false],
    ["by no kind at all takes none", { kinds: [] }, {}, false],
    ["by status takes that", { status: "ACTIVE" }, {}, true],
    ["by status takes no other", { status: "ACTIVE" }, { active: false }, false],
    ["by status goes by the time", { status: "EXPIRED" }, { expireTime: NOW }, true],
    ["for permanent tokens takes these", { permanent: true }, permanent, true],
    ["for permanent tokens takes none that expires", { permanent: true }, {}, false],
    ["for tokens that expire takes these", { permanent: false }, {}, true],
    ["for tokens that expire takes no permanent one", { permanent: false }, permanent, false],
    ["that leaves permanence open takes both", { permanent: undefined }, permanent, true],
    ["by label takes exactly that", { label: "laptop" }, { label: "laptop" }, true],
    ["by label is told apart by case", { label: "laptop" }, { label: "Laptop" }, false],
    ["by the empty label takes tokens without one", { label: "" }, {}, true],
    ["by the empty label takes none with one", { label: "" }, { label: "laptop" }, false],
    ["by parent takes its children", { parentId: "p" }, { parentId: "p" }, true],
    ["by parent takes no others", { parentId: "p" }, {}, false],
    ["by client takes its tokens", { clientId: "c" }, { clientId: "c" }, true],
    ["by client takes no others", { clientId: "c" }, { clientId: "d" }, false],
    ["adds its conditions up", { kinds: ["personal"], label: "a", permanent: true }, { label: "a" }, false],
  ])("%s", (_, filter, changes, expected) => {
    expect(matches(filter, tokenOf(changes), NOW)).toBe(expected);
  });

  test.each<["created" | "expiring" | "lastUsed", "createTime" | "expireTime" | "lastUsedTime"]>([
    ["created", "createTime"],
    ["expiring", "expireTime"],
    ["lastUsed", "lastUsedTime"],
  ])("by a period (%s) takes the first moment and leaves the last", (condition, field) => {
    const takes = (period: { after?: number; before?: number }, time: number) =>
      matches({ [condition]: period }, tokenOf({ [field]: time }), NOW);
    expect(takes({ after: NOW }, NOW)).toBe(true);
    expect(takes({ after: NOW }, NOW - 1)).toBe(false);
    expect(takes({ before: NOW }, NOW - 1)).toBe(true);
    expect(takes({ before: NOW }, NOW)).toBe(false);
    expect(takes({ after: NOW, before: NOW + DAY }, NOW + DAY - 1)).toBe(true);
    expect(takes({ after: NOW, before: NOW }, NOW)).toBe(false);
    expect(takes({}, NOW)).toBe(true);
  });

  test("by expiry takes no permanent token, by last use none that was never used", () => {
    expect(matches({ expiring: { after: 0 } }, tokenOf(permanent), NOW)).toBe(false);
    expect(matches({ lastUsed: { before: NOW + 1 } }, tokenOf(), NOW)).toBe(false);
    expect(matches({ lastUsed: { before: NOW + 1 } }, tokenOf(used), NOW)).toBe(true);
  });
});
