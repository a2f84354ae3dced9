import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { ConfigError } from "../../src/config/config-error.ts";
import { duration } from "../../src/config/duration.ts";
import { readYaml } from "../../src/config/read-yaml.ts";

const folder = mkdtempSync(join(tmpdir(), "latchkey-"));
const file = join(folder, "settings.yaml");
afterAll(() => rmSync(folder, { recursive: true }));

const schema = z.strictObject({
  title: z.string(),
  size: z.int().max(9).default(1),
  parts: z.array(z.strictObject({ name: z.string().regex(/^[a-z]+$/), secret: z.string().min(3) })).default([]),
});

function read<S extends z.ZodType>(text: string, shape: S) {
  writeFileSync(file, text);
  return readYaml(file, shape);
}

/** The faults of a text, without the folder. */
function faultsOf(text: string, shape: z.ZodType = schema): string[] {
  try {
    read(text, shape);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults.map((fault) => fault.replace(`${folder}/`, ""));
    throw error;
  }
  throw new Error("was accepted");
}

describe("reads", () => {
  const expected = { title: "on", size: 1, parts: [{ name: "a", secret: "0x1F" }] };

  test.each([
    ["YAML", 'title: on # a word\nparts:\n  - name: a\n    secret: "0x1F"\n'],
    ["JSON", '{"title": "on", "parts": [{"name": "a", "secret": "0x1F"}]}'],
    [
      "JSON that is indented by tabs",
      '{\n\t"title": "on",\n\t"parts": [\n\t\t{"name": "a", "secret": "0x1F"}\n\t]\n}\n',
    ],
    ["a file with a byte order mark", '\ufefftitle: on\nparts: [{ name: a, secret: "0x1F" }]\n'],
    ["a file with Windows line ends", 'title: on\r\nparts:\r\n  - name: a\r\n    secret: "0x1F"\r\n'],
    ["an alias", 'title: on\nparts:\n  - name: &n a\n    secret: "0x1F"\n'],
  ])("%s", (_, text) => {
    expect(read(text, schema)).toEqual(expected);
  });

  test("an alias as what its anchor says", () => {
    expect(read("a: &x [1]\nb: *x\n", z.record(z.string(), z.array(z.int())))).toEqual({ a: [1], b: [1] });
  });
});

test("lists all faults at once, each with line and field", () => {
  const text = `size: 10
parts:
  - name: UPPER
    secret: abc
  - secret: ab
    nmae: x
colour: red
`;
  expect(faultsOf(text)).toEqual([
    "settings.yaml:1: title: is missing",
    "settings.yaml:1: size: Too big: expected number to be <=9",
    "settings.yaml:3: parts[0].name: Invalid string: must match pattern /^[a-z]+$/",
    "settings.yaml:5: parts[1].name: is missing",
    "settings.yaml:5: parts[1].secret: Too small: expected string to have >=3 characters",
    "settings.yaml:6: parts[1].nmae: is not a known field",
    "settings.yaml:7: colour: is not a known field",
  ]);
});

test("finds the line of a fault behind an alias", () => {
  expect(faultsOf("title: x\nparts:\n  - &p\n    name: A\n    secret: abc\n  - *p\n")).toEqual([
    "settings.yaml:4: parts[0].name: Invalid string: must match pattern /^[a-z]+$/",
    "settings.yaml:4: parts[1].name: Invalid string: must match pattern /^[a-z]+$/",
  ]);
});

describe("refuses", () => {
  test.each([
    ["a key that is there twice", "title: a\nsize: 1\ntitle: b\n", ["settings.yaml:3: the key is there twice"]],
    ["a key twice in JSON", '{"title": "a",\n "title": "b"}', ["settings.yaml:2: the key is there twice"]],
    ["two documents", "title: a\n---\ntitle: b\n", ["settings.yaml:2: is not well-formed (MULTIPLE_DOCS)"]],
    ["an open quote", "title: 'a\n", ["settings.yaml:2: is not well-formed (MISSING_CHAR)"]],
    ["an unknown tag", "title: !js a\n", ["settings.yaml:1: is not well-formed (TAG_RESOLVE_FAILED)"]],
    ["a key that is a list", "title: a\n? [b]\n: 1\n", ["settings.yaml:2: is not well-formed (NON_STRING_KEY)"]],
    ["an alias without an anchor", "title: a\nparts: *p\n", ["settings.yaml:2: the alias has no anchor"]],
    [
      "an alias within its own anchor",
      "title: a\nparts: &p [*p]\n",
      ["settings.yaml:2: the alias stands within its own anchor"],
    ],
    ["an empty file", "", ["settings.yaml:1: Invalid input: expected object, received null"]],
    ["a prototype", "title: a\n__proto__: { size: 2 }\n", ["settings.yaml:2: __proto__: is not a known field"]],
  ])("%s", (_, text, faults) => {
    expect(faultsOf(text)).toEqual(faults);
  });

  test("aliases that stand for billions of nodes, at once", () => {
    const bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i < 12; i++)
      bomb.push(
        `a${i}: &a${i} [${Array(9)
          .fill(`*a${i - 1}`)
          .join(", ")}]`,
      );
    expect(faultsOf(bomb.join("\n"), z.unknown())).toEqual(["settings.yaml:1: has too many aliases"]);
  });

  test("a file that is not there", () => {
    const missing = join(folder, "missing.yaml");
    expect(() => readYaml(missing, schema)).toThrow(
      expect.objectContaining({ faults: [`${missing}: can't be read (ENOENT)`] }),
    );
  });
});

test("the message is readable, with a line for each fault", () => {
  expect(() => read("size: 10\n", schema)).toThrow(
    new ConfigError(file, [`${file}:1: title: is missing`, `${file}:1: size: Too big: expected number to be <=9`]),
  );
  expect(new ConfigError("a.yaml", ["a.yaml:1: x", "a.yaml:2: y"]).message).toBe(
    "wrong configuration in a.yaml:\n  a.yaml:1: x\n  a.yaml:2: y",
  );
});

describe("never quotes a value, which may be a secret:", () => {
  test.each([
    ["too short", "title: t\nparts: [{ name: a, secret: s3 }]\n"],
    ["of another type", "title: t\nparts: s3cret\n"],
    ["in an open quote", "title: 's3cret\n"],
    ["in a wrong place", "title: a: s3cret\n"],
    ["as an alias", "title: *s3cret\n"],
    ["as a tag", "title: !s3cret x\n"],
    ["as an anchor in itself", "title: &s3cret [*s3cret]\n"],
    ["as a bare line", "title: t\ns3cret\nsize: 1\n"],
    ["after bad indentation", "parts:\n  - name: a\n s3cret: b\n"],
    ["as a bad escape", 'title: "\\q s3cret"\n'],
  ])("%s", (_, text) => {
    try {
      read(text, schema);
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      const { message, stack, faults, cause } = error as ConfigError;
      expect(JSON.stringify([message, stack, faults, cause])).not.toContain("s3");
      return;
    }
    throw new Error("was accepted");
  });
});

describe("a duration", () => {
  test.each([
    ["30s", 30_000],
    ["1.5 hours", 5_400_000],
    ["90d", 7_776_000_000],
    ["1ms", 1],
    ["1h 30m", 5_400_000],
    ["P1DT12H", 129_600_000],
    ["2 months", 60 * 86_400_000],
    ["1 year", 365 * 86_400_000],
    ["1000 years", 365_000 * 86_400_000],
  ])("%s is %i milliseconds", (text, milliseconds) => {
    expect(duration.parse(text)).toBe(milliseconds);
  });

  test.each([
    "",
    "30",
    "-1s",
    "0s",
    "1 fortnight",
    "1h 30",
    "s",
    "1e3s",
    "0.1ms",
    "1001 years",
    `${"9".repeat(50)}s`,
    30,
  ])("is not %j", (text) => {
    expect(duration.safeParse(text).success).toBe(false);
  });
});
