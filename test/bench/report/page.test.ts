import { expect, test } from "vitest";
import { replaceBetween } from "../../../bench/report/page.ts";

const PAGE = "before\n<!-- x -->\nold\n<!-- end of x -->\nafter\n";

test("puts a text between the marks", () => {
  expect(replaceBetween(PAGE, "x", "new\n")).toBe("before\n<!-- x -->\nnew\n<!-- end of x -->\nafter\n");
});

test.each([["y"], ["end"]])("refuses a page without the mark %s", (name) => {
  expect(() => replaceBetween(PAGE, name, "new")).toThrow(`the page has no place for ${name}`);
});

test("refuses a page that has the mark twice", () => {
  expect(() => replaceBetween(PAGE + PAGE, "x", "new")).toThrow("the page has no place for x");
});
