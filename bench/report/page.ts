import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const DOCS = join(import.meta.dirname, "../../docs");

/** Puts a text between two marks of docs/benchmarks.md, in the place of what was there. */
export function replacePart(name: string, text: string): void {
  const path = join(DOCS, "benchmarks.md");
  writeFileSync(path, replaceBetween(readFileSync(path, "utf8"), name, text));
}

export function writeChart(svg: string): void {
  writeFileSync(join(DOCS, "benchmarks.svg"), svg);
}

/** @throws if the marks are not there, each once. */
export function replaceBetween(page: string, name: string, text: string): string {
  const [before, rest, ...more] = page.split(`<!-- ${name} -->\n`);
  const after = rest?.split(`<!-- end of ${name} -->`)[1];
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error(`the page has no place for ${name}`);
  return `${before}<!-- ${name} -->\n${text.trim()}\n<!-- end of ${name} -->${after}`;
}
