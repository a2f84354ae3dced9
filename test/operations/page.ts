import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";

/** The page that the tests of this folder hold to what it says. */
export const page = readFileSync(join(import.meta.dirname, "../../docs/operations.md"), "utf8");

/** The rows below the header of the one table whose first column is called so, as the texts of their cells. */
export function readTable(firstColumn: string): string[][] {
  const tables = page.split(/\n{2,}/).filter((part) => part.startsWith(`| ${firstColumn} |`));
  expect(tables, `one table with the first column ${firstColumn}`).toHaveLength(1);
  const [, , ...rows] = (tables[0] as string).trim().split("\n");
  return rows.map((row) => {
    const cells = row.split("|").slice(1, -1);
    return cells.map((cell) => cell.trim());
  });
}

/** The one block of shell lines that holds this, without the indentation that it has as a part of a list. */
export function findShell(part: string): string {
  const blocks = [...page.matchAll(/^( *)```sh\n(.*?)^ *```/gms)].map(([, indentation = "", code = ""]) =>
    code.replaceAll(new RegExp(`^${indentation}`, "gm"), ""),
  );
  const found = blocks.filter((code) => code.includes(part));
  expect(found, `one block with ${part}`).toHaveLength(1);
  return found[0] as string;
}
