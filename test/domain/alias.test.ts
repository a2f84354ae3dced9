import { expect, test } from "vitest";
import { aliasesOf, aliasIn } from "../../src/domain/alias.ts";
import { keyRing } from "./world.ts";

const EVIDENCE = { source: "old", material: "abc" };

test("aliases are as long as what of an id is not its shard tag, one for each key, the current one's first", () => {
  const [of1] = aliasesOf(keyRing(1), EVIDENCE);
  const [of2] = aliasesOf(keyRing(2), EVIDENCE);
  expect(of1).toMatch(/^[0-9A-Za-z]{16}$/);
  expect(of2).not.toBe(of1);
  expect(aliasesOf(keyRing(1), { ...EVIDENCE })).toEqual([of1]);
  expect(aliasesOf(keyRing(2, 1), EVIDENCE)).toEqual([of2, of1]);
  expect(aliasesOf(keyRing(1, 2), EVIDENCE)).toEqual([of1, of2]);
});

test("other material, and the same of another source, have other aliases", () => {
  const all = [EVIDENCE, { source: "old", material: "abd" }, { source: "older", material: "abc" }];
  const split = [
    { source: "a", material: "b c" },
    { source: "a b", material: "c" },
    { source: "ab", material: "c" },
    { source: "a", material: "bc" },
  ];
  const aliases = [...all, ...split].map((evidence) => aliasesOf(keyRing(1), evidence)[0]);
  expect(new Set(aliases).size).toBe(aliases.length);
});

test("the alias stands in the id", () => {
  expect(aliasIn("abc0123456789ABCDEF")).toBe("0123456789ABCDEF");
});
