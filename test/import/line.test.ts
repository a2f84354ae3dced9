import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { describe, expect, test } from "vitest";
import { CreateRequestSchema } from "#gen/latchkey/v1/token_service_pb.ts";
import { readLine } from "../../src/import/line.ts";

const LEAST = { source: "old", digest: "00", tenant: "acme", subject: "ada", kind: "personal" };

const read = (content: unknown) => readLine(Buffer.from(JSON.stringify(content)));
const readText = (text: string) => readLine(Buffer.from(text));

describe("a line", () => {
  test("gives a token, with what is absent or null left open", () => {
    const least = {
      source: "old",
      digest: "00",
      jwtId: "",
      tenant: "acme",
      subject: "ada",
      kind: "personal",
      label: "",
      hint: "",
      scopes: [],
      audiences: [],
      claims: undefined,
      clientId: "",
      createTime: undefined,
      expireTime: undefined,
      active: true,
      usesLeft: undefined,
    };
    expect(read(LEAST)).toEqual(least);
    const names = [
      "jwt_id",
      "label",
      "hint",
      "scopes",
      "audiences",
      "claims",
      "client_id",
      "create_time",
      "expire_time",
    ];
    const nulls = Object.fromEntries([...names, "uses_left"].map((name) => [name, null]));
    expect(read({ ...LEAST, ...nulls })).toEqual(least);
    expect(read({ ...LEAST, digest: null, jwt_id: "x" })).toEqual({ ...least, digest: "", jwtId: "x" });
  });

  test("gives all that it says", () => {
    const line = {
      ...LEAST,
      label: "my laptop",
      hint: "old_1234",
      scopes: ["b", "a"],
      audiences: ["x"],
      claims: { a: [1, null, { b: "ü" }] },
      client_id: "cli",
      create_time: "2026-01-15T12:00:00.123456Z",
      expire_time: "2027-01-15T12:00:00+02:00",
      active: false,
      uses_left: 3,
    };
    expect(read(line)).toMatchObject({
      label: "my laptop",
      hint: "old_1234",
      scopes: ["b", "a"],
      audiences: ["x"],
      claims: { a: [1, null, { b: "ü" }] },
      clientId: "cli",
      createTime: Date.UTC(2026, 0, 15, 12) + 123,
      expireTime: Date.UTC(2027, 0, 15, 10),
      active: false,
      usesLeft: 3,
    });
  });

  test.each(["", " ", "\t", "\r", " \r"])("that is blank (%j) gives nothing", (text) => {
    expect(readText(text)).toBeUndefined();
  });

  test("may end in a carriage return, and begin with a byte order mark", () => {
    expect(readText(`\u{feff}${JSON.stringify(LEAST)}\r`)).toMatchObject({ subject: "ada" });
  });
});

describe("a line is refused, and none of its values told:", () => {
  test.each<[string, string | Buffer, string]>([
    ["half a character", Buffer.from([0x22, 0xc3, 0x22]), "is not UTF-8"],
    ["no JSON", "{'secret': 1}", "is not JSON"],
    ["two objects", "{}{}", "is not JSON"],
    ["a comment", "# secret", "is not JSON"],
    ["a list", "[]", "is not a JSON object"],
    ["a text", '"secret"', "is not a JSON object"],
    ["null", "null", "is not a JSON object"],
    ["nothing in it", "{}", "source: is missing; tenant: is missing; subject: is missing; kind: is missing"],
  ])("%s", (_, text, why) => {
    expect(readLine(Buffer.from(text))).toBe(why);
  });

  const NAME = "must be neither empty nor hold spaces or control characters";
  const TIME = "must be a time with its zone, such as 2027-01-31T12:00:00Z (RFC 3339)";
  const USES = "must be a whole number, 1 to 1000000000";
  test.each<[string, unknown, string]>([
    ["source", 3, "must be a text"],
    ["source", "x".repeat(65), "must have at most 64 bytes"],
    ["digest", 3, "must be a text"],
    ["digest", "x".repeat(257), "must have at most 256 bytes"],
    ["jwt_id", [], "must be a text"],
    ["jwt_id", "x".repeat(1025), "must have at most 1024 characters"],
    ["tenant", "", NAME],
    ["tenant", "a b", NAME],
    ["tenant", "ü".repeat(65), "must have at most 128 bytes"],
    ["tenant", null, "must be a text"],
    ["subject", "a\u202e", NAME],
    ["subject", "x".repeat(257), "must have at most 256 bytes"],
    ["subject", 3, "must be a text"],
    ["kind", "x".repeat(65), "must have at most 64 bytes"],
    ["kind", {}, "must be a text"],
    ["label", "a\nb", "must hold no control characters"],
    ["label", "x".repeat(257), "must have at most 256 bytes"],
    ["hint", "x".repeat(17), "must have at most 16 bytes"],
    ["hint", "a\u0000", "must hold no control characters"],
    ["scopes", "repo:read", "must be a list"],
    ["scopes", Array(65).fill("x"), "must have at most 64 entries"],
    ["audiences", {}, "must be a list"],
    ["audiences", Array(17).fill("x"), "must have at most 16 entries"],
    ["claims", [], "must be an object"],
    ["claims", "x", "must be an object"],
    ["client_id", "", NAME],
    ["client_id", "a b", NAME],
    ["create_time", 1_700_000_000, TIME],
    ["create_time", "2026-01-15", TIME],
    ["create_time", "2026-01-15T12:00:00", TIME],
    ["expire_time", "2026-02-30T12:00:00Z", TIME],
    ["expire_time", "", TIME],
    ["expire_time", false, TIME],
    ["active", null, "must be true or false"],
    ["active", "yes", "must be true or false"],
    ["active", 1, "must be true or false"],
    ["uses_left", 0, USES],
    ["uses_left", 1.5, USES],
    ["uses_left", 1_000_000_001, USES],
    ["uses_left", "1", "must be a number"],
    ["secret", "x", "is not a known field"],
  ])("%s %j", (field, value, why) => {
    expect(read({ ...LEAST, [field]: value })).toBe(`${field}: ${why}`);
  });

  test("all faults at once, those of lists with their place", () => {
    const line = { ...LEAST, tenant: "", scopes: ["ok", "a b"], audiences: [3], id: 1, uses_left: -1 };
    expect(read(line)).toBe(
      [
        `tenant: ${NAME}`,
        "scopes[1]: must be a scope (RFC 6749, section 3.3)",
        "audiences[0]: must be a text",
        `uses_left: ${USES}`,
        "id: is not a known field",
      ].join("; "),
    );
  });

  test("a field whose name could be anything is not named", () => {
    for (const name of ["\u001b[31m", "a secret", "x".repeat(33), "", "__proto__"]) {
      const text = `${JSON.stringify(LEAST).slice(0, -1)},${JSON.stringify(name)}:1}`;
      expect(readText(text)).toBe("(a field of another name): is not a known field");
    }
  });

  test("claims that are nested deeper than readers of protobuf go, however deep", () => {
    const nested = (depth: number) =>
      readText(`${JSON.stringify(LEAST).slice(0, -1)},"claims":{"a":${"[".repeat(depth)}${"]".repeat(depth)}}}`);
    expect(nested(15)).toMatchObject({ subject: "ada" });
    for (const depth of [16, 8000]) expect(nested(depth)).toBe("claims: must be nested at most 16 deep");
  });
});

describe("a line and a CreateRequest have the same rules for", () => {
  const validator = createValidator();
  const isCreatable = (fields: MessageInitShape<typeof CreateRequestSchema>) =>
    validator.validate(CreateRequestSchema, create(CreateRequestSchema, { kind: "personal", ...fields })).kind ===
    "valid";
  const isImportable = (fields: object) => typeof read({ ...LEAST, ...fields }) === "object";

  const odd = [
    "a",
    "a b",
    "a\tb",
    "a\u00a0b",
    "ü",
    "😀",
    "\u200b",
    "\u202e",
    "\u2028",
    "\ue000",
    "\u0000",
    '"',
    "\\",
    "a,b",
  ];
  const long = [64, 65, 128, 129, 256, 257].flatMap((length) => ["x".repeat(length), "ü".repeat(length / 2)]);
  test.each([...odd, ...long])("%j", (text) => {
    expect(isImportable({ tenant: text })).toBe(isCreatable({ tenant: text }));
    expect(isImportable({ subject: text })).toBe(isCreatable({ subject: text }));
    expect(isImportable({ kind: text })).toBe(isCreatable({ kind: text }));
    expect(isImportable({ label: text })).toBe(isCreatable({ label: text }));
    expect(isImportable({ scopes: [text] })).toBe(isCreatable({ scopes: [text] }));
    expect(isImportable({ audiences: [text] })).toBe(isCreatable({ audiences: [text] }));
    expect(isImportable({ client_id: text })).toBe(isCreatable({ clientId: text }));
  });

  test.each([16, 17, 64, 65])("%i scopes or audiences", (count) => {
    const list = Array<string>(count).fill("x");
    expect(isImportable({ scopes: list })).toBe(isCreatable({ scopes: list }));
    expect(isImportable({ audiences: list })).toBe(isCreatable({ audiences: list }));
  });

  test.each([0, 1, 1_000_000_000, 1_000_000_001])("%i uses", (uses) => {
    expect(isImportable({ uses_left: uses })).toBe(isCreatable({ maxUses: uses }));
  });
});
