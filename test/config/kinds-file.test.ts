import { describe, expect, test } from "vitest";
import { readKindsFile } from "../../src/config/kinds-file.ts";
import { kindDefaults } from "../../src/domain/kinds.ts";
import { DAY, HOUR } from "../domain/world.ts";
import { faultsOf, writeFixture } from "./folder.ts";

const read = (text: string) => [...readKindsFile(writeFixture("kinds.yaml", text)).values()];
/** A kind of which only these fields are said; they stand in line 4 and further. */
const kindWith = (...fields: string[]) =>
  ["kinds:", "  - name: a", "    prefix: aa", ...fields.map((field) => `    ${field}`)].join("\n");
const faults = (text: string) => faultsOf(() => read(text));

describe("a kinds file", () => {
  test("says of a kind its name and prefix; all else has a default", () => {
    expect(read(kindWith())).toEqual([{ ...kindDefaults, name: "a", prefix: "aa" }]);
  });

  test("may say all there is to a kind", () => {
    const text = kindWith(
      "default_lifetime: 15 minutes",
      "max_lifetime: 1d",
      "permanent: true",
      "default_uses: 2",
      "max_uses: 3",
      "max_per_subject: 4",
      "unique_labels: true",
      "scheme: OrgUserApiToken",
      "creators: [token, jwt, certificate]",
      "retention: 90d",
    );
    expect(read(text)).toEqual([
      {
        name: "a",
        prefix: "aa",
        defaultLifetime: HOUR / 4,
        maxLifetime: DAY,
        permanent: true,
        defaultUses: 2,
        maxUses: 3,
        maxPerSubject: 4,
        uniqueLabels: true,
        scheme: "OrgUserApiToken",
        creators: ["token", "jwt", "certificate"],
        retention: 90 * DAY,
      },
    ]);
  });

  test("may be JSON", () => {
    expect(read('{"kinds": [{"name": "a", "prefix": "aa"}]}')).toHaveLength(1);
  });

  test.each([
    [
      "a default life that is the longest, where that is shorter than 90 days",
      ["max_lifetime: 10h"],
      { defaultLifetime: 10 * HOUR },
    ],
    ["a default life of 90 days, where the longest is longer", ["max_lifetime: 365d"], { defaultLifetime: 90 * DAY }],
    ["permanent tokens by default", ["default_lifetime: permanent", "permanent: true"], { defaultLifetime: undefined }],
    ["as many uses by default as at most", ["max_uses: 1"], { defaultUses: 1, maxUses: 1 }],
    ["no retention", ["retention: none"], { retention: 0 }],
    ["a life of a thousand years at most", ["default_lifetime: 1000 years"], { defaultLifetime: 1000 * 365.25 * DAY }],
  ])("may ask for %s", (_, fields, expected) => {
    expect(read(kindWith(...fields))).toMatchObject([expected]);
  });
});

describe("a kinds file is refused, with line and field,", () => {
  const duration = (word: string) => `must be a duration such as "10h" or "90d", 1000 years at most, or "${word}"`;
  test.each([
    ["default_lifetime: 0s", `default_lifetime: ${duration("permanent")}`],
    ["default_lifetime: 15", `default_lifetime: ${duration("permanent")}`],
    ["default_lifetime: '15'", `default_lifetime: ${duration("permanent")}`],
    ["default_lifetime: -1h", `default_lifetime: ${duration("permanent")}`],
    ["default_lifetime: forever", `default_lifetime: ${duration("permanent")}`],
    ["default_lifetime: 1001 years", "default_lifetime: must be 1000 years at most"],
    ["max_lifetime: 0h", 'max_lifetime: must be a duration such as "15 minutes", "10h" or "90d"'],
    ["max_lifetime: permanent", 'max_lifetime: must be a duration such as "15 minutes", "10h" or "90d"'],
    ["max_lifetime: 9999 years", "max_lifetime: must be 1000 years at most"],
    ["retention: 9999 years", "retention: must be 1000 years at most"],
    ["retention: 0", `retention: ${duration("none")}`],
    ["scheme: 'a b'", "scheme: must be letters, digits and -, 64 at most"],
    ["prefer: x", "prefer: is not a known field"],
    ["defaultLifetime: 1h", "defaultLifetime: is not a known field"],
    ["default_lifetime: permanent", "default_lifetime: needs permanent: true"],
    ["scheme: bearer", "scheme: is taken by every kind"],
    ["scheme: Token", "scheme: is taken by every kind"],
    ["scheme: BASIC", "scheme: is taken by every kind"],
  ])("for %s", (field, fault) => {
    expect(faults(kindWith(field))).toEqual([`kinds.yaml:4: kinds[0].${fault}`]);
  });

  test.each([
    "permanent: yes please",
    "unique_labels: 1",
    "default_uses: 0",
    "default_uses: 1.5",
    "max_uses: 1000000001",
    "max_uses: '3'",
    "max_per_subject: 0",
    "creators: token",
    "scheme: 7",
  ])("for %s, whose type or bounds are others", (field) => {
    const name = field.split(":", 1)[0];
    expect(faults(kindWith(field))).toEqual([expect.stringMatching(`^kinds\\.yaml:4: kinds\\[0\\]\\.${name}: `)]);
  });

  test("for a creator that is no credential, nor can the root be one", () => {
    expect(faults(kindWith("creators: [jwt, root, everyone]")).map((fault) => fault.split(": ", 2).join(": "))).toEqual(
      ["kinds.yaml:4: kinds[0].creators[1]", "kinds.yaml:4: kinds[0].creators[2]"],
    );
  });

  test.each(["A", "1a", "a b", "", "_a", "é", `a${"b".repeat(64)}`])("for the name %j", (name) => {
    expect(faults(`kinds:\n  - prefix: aa\n    name: "${name}"`)).toEqual([
      "kinds.yaml:3: kinds[0].name: must be lower-case letters, digits, - and _, 64 at most",
    ]);
  });

  test.each(["a", "A1", "1a", "a-b", "a_", "_a", "a b", "", `a${"b".repeat(24)}`])("for the prefix %j", (prefix) => {
    expect(faults(`kinds:\n  - name: a\n    prefix: "${prefix}"`)).toEqual([
      "kinds.yaml:3: kinds[0].prefix: must be lower-case letters, digits and _, 2 to 24 of them",
    ]);
  });

  test("for defaults beyond bounds", () => {
    const text = kindWith("default_lifetime: 2h", "max_lifetime: 1h", "default_uses: 3", "max_uses: 2");
    expect(faults(text)).toEqual([
      "kinds.yaml:4: kinds[0].default_lifetime: is longer than max_lifetime",
      "kinds.yaml:6: kinds[0].default_uses: is more than max_uses",
    ]);
  });

  test("for two kinds of one name, one prefix or one scheme", () => {
    const text =
      "kinds:\n  - {name: a, prefix: aa, scheme: Xy}\n  - {name: b, prefix: aa}\n  - {name: a, prefix: cc, scheme: xY}";
    expect(faults(text)).toEqual([
      "kinds.yaml:3: kinds[1].prefix: is another kind's too",
      "kinds.yaml:4: kinds[2].name: is another kind's too",
      "kinds.yaml:4: kinds[2].scheme: is another kind's too",
    ]);
  });

  test("for what is missing", () => {
    expect(faults("kinds:\n  - label: x")).toEqual([
      "kinds.yaml:2: kinds[0].name: is missing",
      "kinds.yaml:2: kinds[0].prefix: is missing",
      "kinds.yaml:2: kinds[0].label: is not a known field",
    ]);
    expect(faults("{}")).toEqual(["kinds.yaml:1: kinds: is missing"]);
    expect(faults("kinds: []")).toHaveLength(1);
    expect(faults("")).toHaveLength(1);
  });

  test("with all that is wrong in several kinds at once", () => {
    const text =
      "kinds:\n  - {name: A, prefix: aa}\n  - {name: b, prefix: b}\n  - {name: c, prefix: cc, default_lifetime: permanent}";
    expect(faults(text).map((fault) => fault.split(": ", 2).join(": "))).toEqual([
      "kinds.yaml:2: kinds[0].name",
      "kinds.yaml:3: kinds[1].prefix",
      "kinds.yaml:4: kinds[2].default_lifetime",
    ]);
  });

  test("if it is not there", () => {
    expect(faultsOf(() => readKindsFile("/nowhere/kinds.yaml"))).toEqual(["kinds.yaml: can't be read (ENOENT)"]);
  });
});
