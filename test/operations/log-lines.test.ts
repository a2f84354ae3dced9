import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readTable } from "./page.ts";

const SOURCE = join(import.meta.dirname, "../../src");

/** Of what the domain reports, `serve.ts` makes a line of its type. */
function reportedTypes(): string[] {
  const text = readFileSync(join(SOURCE, "domain/events.ts"), "utf8");
  return [...text.matchAll(/type: "([\w-]+)"/g)].map(([, type = ""]) => type.replaceAll("-", " "));
}

test("the table has each line that is a warning or an error, and no other", () => {
  const files = readdirSync(SOURCE, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  const found = files.flatMap((file) => {
    const text = readFileSync(join(SOURCE, file), "utf8");
    return [...text.matchAll(/\blog\.(?:warn|error)\([^;]*?"([^"]{2,})",?\s*\)/gs)].map(([, line = ""]) => line);
  });
  expect(found.length).toBeGreaterThan(10);
  // `log-call.ts` picks the level, and has one line.
  const written = new Set([...found, ...reportedTypes(), "call"]);
  const told = readTable("line").map(([line]) => /^`([^`]+)`/.exec(line ?? "")?.[1]);
  expect(told.toSorted()).toEqual([...written].toSorted());
});
