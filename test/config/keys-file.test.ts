import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { makeKeysFile, readKeysFile } from "../../src/config/keys-file.ts";
import { createKeyRing, fingerprintsOf } from "../../src/domain/keys.ts";
import { errorOf, faultsOf, makeFolder, writeFixture } from "./folder.ts";

const secretOf = (byte: number, length = 32) => Buffer.alloc(length, byte).toString("base64");
const read = (text: string) => readKeysFile(writeFixture("keys.yaml", text));
const entry = (version: number | string, secret: string) => `  - version: ${version}\n    secret: ${secret}\n`;

describe("a keys file", () => {
  test("holds the current key first, then those that retire, whatever their versions", () => {
    const ring = read(`keys:\n${entry(3, secretOf(1))}${entry(7, secretOf(2))}${entry(1, secretOf(3, 64))}`);
    const expected = createKeyRing([
      { version: 3, secret: Buffer.alloc(32, 1) },
      { version: 7, secret: Buffer.alloc(32, 2) },
      { version: 1, secret: Buffer.alloc(64, 3) },
    ]);
    expect(ring.current.version).toBe(3);
    expect(fingerprintsOf(ring)).toEqual(fingerprintsOf(expected));
  });

  test("is made with one new key, for its owner's eyes only, and can be read at once", () => {
    const path = join(makeFolder(), "sub", "keys.yaml");
    expect(makeKeysFile(path)).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, "..")).mode & 0o777).toBe(0o700);
    expect(readKeysFile(path).current.version).toBe(1);
  });

  test("is never made twice, nor alike", () => {
    const path = join(makeFolder(), "keys.yaml");
    expect(makeKeysFile(path)).toBe(true);
    const before = readFileSync(path, "utf8");
    expect(makeKeysFile(path)).toBe(false);
    expect(readFileSync(path, "utf8")).toBe(before);
    const other = join(makeFolder(), "keys.yaml");
    makeKeysFile(other);
    expect(fingerprintsOf(readKeysFile(other))).not.toEqual(fingerprintsOf(readKeysFile(path)));
  });

  test("that was emptied is refused, and not made anew: that would lose every token", () => {
    const path = writeFixture("keys.yaml", "");
    expect(makeKeysFile(path)).toBe(false);
    expect(faultsOf(() => readKeysFile(path))).toHaveLength(1);
    expect(existsSync(path) && readFileSync(path, "utf8")).toBe("");
  });
});

describe("a keys file is refused, with line and field and never with a secret,", () => {
  test.each([
    [
      "for a key that is too short",
      entry(1, secretOf(1, 31)),
      "keys.yaml:3: keys[0].secret: must be 32 random bytes or more",
    ],
    [
      "for a key that is not base64",
      entry(1, "s3cret s3cret s3cret s3cret s3cret s3cret s3cret"),
      "keys.yaml:3: keys[0].secret: must be base64",
    ],
    ["for a key without its secret", "  - version: 1\n", "keys.yaml:2: keys[0].secret: must be base64"],
    ["for a key without its version", `  - secret: ${secretOf(1)}\n`, "keys.yaml:2: keys[0].version: is missing"],
    [
      "for two keys of one version",
      entry(1, secretOf(1)) + entry(1, secretOf(2)),
      "keys.yaml:1: keys: must each have a version of its own",
    ],
    [
      "for a field that is none",
      `${entry(1, secretOf(1))}    current: true\n`,
      "keys.yaml:4: keys[0].current: is not a known field",
    ],
  ])("%s", (_, keys, fault) => {
    expect(faultsOf(() => read(`keys:\n${keys}`))).toEqual([fault]);
  });

  test.each(["0", "-1", "1.5", "4294967296", "one"])("for the version %s", (version) => {
    expect(faultsOf(() => read(`keys:\n${entry(version, secretOf(1))}`))).toEqual([
      expect.stringMatching(/^keys\.yaml:2: keys\[0\]\.version: /),
    ]);
  });

  test("without any key", () => {
    expect(faultsOf(() => read("keys: []"))).toHaveLength(1);
    expect(faultsOf(() => readKeysFile("/nowhere/keys.yaml"))).toEqual(["keys.yaml: can't be read (ENOENT)"]);
  });

  test.each([
    ["as a plain text", "s3cretkey"],
    ["as a list", "- s3cretkey"],
    ["as a number that is none", "keys:\n  - version: s3cretkey\n    secret: 1"],
    ["in a key that is too short", "keys:\n  - version: 1\n    secret: s3cretkey"],
    ["in YAML that is broken", 'keys:\n  - version: 1\n    secret: "s3cretkey'],
    ["in place of a field", "keys:\n  - version: 1\n    secret: [s3cretkey, {s3cretkey: s3cretkey}]"],
    ["twice", "keys:\n  - version: 1\n    secret: s3cretkey\n    secret: s3cretkey"],
  ])("also where a secret stands %s", (_, text) => {
    const path = join(makeFolder(), "keys.yaml");
    writeFileSync(path, text);
    const error = errorOf(() => readKeysFile(path));
    expect(`${error.message}${error.stack}${JSON.stringify(error)}`).not.toContain("s3cretkey");
  });
});
