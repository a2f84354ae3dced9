import { describe, expect, test } from "vitest";
import { createMatcher, type Filter } from "../../src/domain/filter.ts";
import type { Token } from "../../src/domain/token.ts";
import { DAY, HOUR, NOW, tokenOf } from "./world.ts";

const matches = (filter: Filter, token: Token) => createMatcher(filter, NOW)(token);
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
    ["by ids takes each of them", { ids: ["a", "b"] }, { id: "b" }, true],
    ["by ids takes no others", { ids: ["a", "b"] }, { id: "c" }, false],
    ["by ids tells them apart by case", { ids: ["A"] }, { id: "a" }, false],
    ["by no ids at all takes none", { ids: [] }, {}, false],
    ["but for some ids takes the others", { exceptIds: ["a", "b"] }, { id: "c" }, true],
    ["but for some ids takes none of these", { exceptIds: ["a", "b"] }, { id: "b" }, false],
    ["but for no ids takes all", { exceptIds: [] }, {}, true],
    ["takes no id that is both wanted and excepted", { ids: ["a"], exceptIds: ["a"] }, { id: "a" }, false],
    [
      "by status takes as expired what went unused for too long",
      { status: "EXPIRED" },
      { createTime: NOW - HOUR, idleTimeout: HOUR },
      true,
    ],
    [
      "by status takes as active what was used in time",
      { status: "ACTIVE" },
      { createTime: NOW - DAY, lastUsedTime: NOW - 1, idleTimeout: HOUR },
      true,
    ],
    [
      "for permanent tokens takes one that only must not go unused",
      { permanent: true },
      { ...permanent, idleTimeout: 1 },
      true,
    ],
    ["adds its conditions up", { kinds: ["personal"], label: "a", permanent: true }, { label: "a" }, false],
  ])("%s", (_, filter, changes, expected) => {
    expect(matches(filter, tokenOf(changes))).toBe(expected);
  });

  test.each<["created" | "expiring" | "lastUsed", "createTime" | "expireTime" | "lastUsedTime"]>([
    ["created", "createTime"],
    ["expiring", "expireTime"],
    ["lastUsed", "lastUsedTime"],
  ])("by a period (%s) takes the first moment and leaves the last", (condition, field) => {
    const takes = (period: { after?: number; before?: number }, time: number) =>
      matches({ [condition]: period }, tokenOf({ [field]: time }));
    expect(takes({ after: NOW }, NOW)).toBe(true);
    expect(takes({ after: NOW }, NOW - 1)).toBe(false);
    expect(takes({ before: NOW }, NOW - 1)).toBe(true);
    expect(takes({ before: NOW }, NOW)).toBe(false);
    expect(takes({ after: NOW, before: NOW + DAY }, NOW + DAY - 1)).toBe(true);
    expect(takes({ after: NOW, before: NOW }, NOW)).toBe(false);
    expect(takes({}, NOW)).toBe(true);
  });

  test("by expiry takes no permanent token, by last use none that was never used", () => {
    expect(matches({ expiring: { after: 0 } }, tokenOf(permanent))).toBe(false);
    expect(matches({ lastUsed: { before: NOW + 1 } }, tokenOf())).toBe(false);
    expect(matches({ lastUsed: { before: NOW + 1 } }, tokenOf(used))).toBe(true);
  });

  test("reads its lists once, however many tokens it goes through", () => {
    let reads = 0;
    const counted = (list: string[]) =>
      new Proxy(list, {
        get(target, key) {
          reads += /^\d+$/.test(String(key)) ? 1 : 0;
          return Reflect.get(target, key);
        },
      });
    const ids = Array.from({ length: 1000 }, (_, index) => `id-${index}`);
    const take = createMatcher({ ids: counted(ids), exceptIds: counted(ids.slice(500)) }, NOW);
    const tokens = Array.from({ length: 2000 }, (_, index) => tokenOf({ id: `id-${index}` }));
    expect(tokens.filter(take)).toHaveLength(500);
    expect(reads).toBe(1500);
  });
});
