import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

// Everything that examples/README.md says to be shown is shown: by a test of that title in that file.

const folder = join(import.meta.dirname, "../examples");
const page = readFileSync(join(folder, "README.md"), "utf8");
const systems = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());

interface Row {
  readonly behaviour: string;
  /** Pairs of file and test title. */
  readonly shownBy: readonly (readonly [file: string, title: string])[];
}

/** The rows below the headings of the tables: `| behaviour | [file](path): title<br>[file](path): title |`. */
function readRows(text: string): Row[] {
  const rows = [...text.matchAll(/^\| (.+?) \| (.+) \|$/gm)].filter(([row]) => !/^\| (behaviour|---) \|/.test(row));
  return rows.map(([, behaviour = "", places = ""]) => ({
    behaviour,
    shownBy: places.split("<br>").map((place) => {
      const [, path = "", title = ""] = /^\[[^\]]+\]\(([^)]+)\): (.+)$/.exec(place) ?? [];
      return [path, title] as const;
    }),
  }));
}

/** The titles of the tests in a file: texts before a function, unless it describes. */
function readTitles(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/(?<!describe\(\s*)"((?:[^"\\\n]|\\.)+)",\s*(?:async\s*)?\(/g)].map(([, title]) =>
    JSON.parse(`"${title}"`),
  );
}

function sectionOf(system: string): string {
  return page.split(/^## /m).find((section) => section.includes(`](${system}/README.md)`)) ?? "";
}

describe.each(systems.map(({ name }) => name))("examples/%s", (system) => {
  test("has its files, and a table of its behaviours", () => {
    const files = ["README.md", "kinds.yaml", "issuers.yaml", `${system}.test.ts`];
    expect(files.filter((file) => !existsSync(join(folder, system, file)))).toEqual([]);
    expect(readRows(sectionOf(system)).length).toBeGreaterThan(5);
  });

  test.each(readRows(sectionOf(system)))("shows: $behaviour", ({ shownBy }) => {
    for (const [path, title] of shownBy) {
      expect(existsSync(join(folder, path)), path).toBe(true);
      expect(readTitles(join(folder, path)), path).toContain(title);
    }
  });

  test("has no test that the table leaves out", () => {
    const named = readRows(sectionOf(system)).flatMap(({ shownBy }) => shownBy);
    const file = `${system}/${system}.test.ts`;
    const titles = named.filter(([path]) => path === file).map(([, title]) => title);
    expect(readTitles(join(folder, file)).filter((title) => !titles.includes(title))).toEqual([]);
  });

  test("links to files that are there", () => {
    const own = readFileSync(join(folder, system, "README.md"), "utf8");
    const links = [...own.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, path = ""]) => join(folder, system, path));
    expect(links.filter((path) => !existsSync(path))).toEqual([]);
  });
});

test("examples/README.md has no row outside of a system's table", () => {
  const inSections = systems.flatMap(({ name }) => readRows(sectionOf(name)));
  expect(inSections).toEqual(expect.arrayContaining(readRows(page)));
});
