import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { onEachStore, onSqlite, refusalIn } from "./world.ts";

const NEVER_IN_A_NAME: [string, string][] = [
  ["a NUL", "a\0b"],
  ["a line feed", "a\nb"],
  ["a carriage return", "a\rb"],
  ["an escape", "\x1b[31m"],
  ["a delete character", "a\x7f"],
  ["a C1 control", "a\x85b"],
  ["a right-to-left override", "a\u202eb"],
  ["a zero-width space", "a\u200bb"],
  ["a byte-order mark", "\ufeffa"],
  ["a line separator", "a\u2028b"],
  ["a lone high surrogate", "a\ud800"],
  ["a lone low surrogate", "\udc00a"],
  ["a private character", "a\ue000"],
  ["1 MiB less a little", "x".repeat(60_000)],
];
const NEVER_IN_AN_IDENTIFIER: [string, string][] = [
  ["a space", "a b"],
  ["a no-break space", "a\u00a0b"],
];

onSqlite((world) => {
  describe("Create refuses", () => {
    const refuse = (fields: object) => async () => {
      const answer = await world.post("Create", JSON.stringify({ kind: "service", subject: "odd", ...fields }));
      expect(refusalIn(answer)).toBe("invalid_argument INVALID_REQUEST");
    };
    for (const field of ["tenant", "subject", "clientId", "label"]) {
      for (const [what, text] of NEVER_IN_A_NAME) test(`${what} in ${field}`, refuse({ [field]: text }));
    }
    for (const [what, text] of NEVER_IN_AN_IDENTIFIER) {
      for (const field of ["tenant", "subject", "clientId"]) test(`${what} in ${field}`, refuse({ [field]: text }));
      test(`${what} in audiences`, refuse({ audiences: [text] }));
    }
    for (const [what, text] of NEVER_IN_A_NAME) test(`${what} in audiences`, refuse({ audiences: ["ok", text] }));
    test.each([
      ["tenant", 128],
      ["subject", 256],
      ["clientId", 256],
      ["label", 256],
    ])("%s of more than %i bytes, however few characters", async (field, bytes) => {
      await refuse({ [field]: "é".repeat(bytes / 2 + 1) })();
      const fits = await world.post("Create", JSON.stringify({ kind: "service", [field]: "é".repeat(bytes / 2) }));
      expect(fits.status).toBe(200);
    });
    test("an audience more than 16", refuse({ audiences: Array.from({ length: 17 }, (_, n) => `a${n}`) }));
  });

  /** Whether fields at their default are written or left out. */
  const FOUND_NOTHING = /^\{\}$|"tokens":\[\]|"deletedCount":"0"|"INACTIVE_REASON_MALFORMED"/;

  const READS: [string, (text: string) => object][] = [
    ["List", (tenant) => ({ tenant })],
    ["List", (subject) => ({ subject })],
    ["List", (label) => ({ label })],
    ["List", (parentId) => ({ parentId })],
    ["List", (kind) => ({ kinds: [kind] })],
    ["List", (pageToken) => ({ pageToken })],
    ["Get", (id) => ({ id })],
    ["Get", (secret) => ({ secret })],
    ["Update", (id) => ({ id, updateMask: "label" })],
    ["SetActive", (id) => ({ id, active: true })],
    ["Delete", (id) => ({ id })],
    ["Delete", (secret) => ({ secret })],
    ["DeleteAll", (tenant) => ({ tenant })],
    ["DeleteAll", (tenant) => ({ tenant, allSubjects: true })],
    ["DeleteAll", (subject) => ({ subject })],
    ["DeleteAll", (clientId) => ({ subject: "odd", clientId })],
    ["DeleteAll", (id) => ({ subject: "odd", exceptIds: [id] })],
    ["Introspect", (secret) => ({ secret })],
    ["Introspect", (audience) => ({ secret: "x", audience })],
    ["Introspect", (kind) => ({ secret: "x", kinds: [kind] })],
    ["BatchIntrospect", (secret) => ({ requests: [{ secret }] })],
  ];

  test.each(READS.map(([method, body]) => [method, Object.keys(body("")).join(" "), body] as const))(
    "%s by odd text in %s finds nothing, or is refused",
    async (method, _fields, body) => {
      for (const [, text] of [...NEVER_IN_A_NAME, ...NEVER_IN_AN_IDENTIFIER]) {
        const { status, text: answer } = await world.post(method, JSON.stringify(body(text)));
        if (status === 200) expect(answer).toMatch(FOUND_NOTHING);
        else expect(answer).toMatch(/"(INVALID_REQUEST|TOKEN_NOT_FOUND|PAGE_TOKEN_INVALID)"/);
      }
      await world.expectServing();
    },
  );

  test("bytes that are not UTF-8 are refused in a binary message", async () => {
    const kind = Buffer.from("\x1a\x08personal", "latin1");
    for (const bytes of ["ff", "c080", "eda080", "f4908080"]) {
      const subject = Buffer.from(bytes, "hex");
      const request = Buffer.concat([kind, Buffer.from([0x12, subject.length]), subject]);
      expect(refusalIn(await world.post("Create", new Uint8Array(request)))).toBe("invalid_argument INVALID_REQUEST");
    }
  });
});

const NAMES = [
  "a",
  "a:",
  "a/b",
  "a/b/c",
  "b/c",
  "*",
  "?",
  "[a]",
  "{a}",
  "{}",
  "{",
  "}",
  "%",
  "%2F",
  "/",
  "\\",
  "'",
  '"',
  ";",
  "$1",
  "__proto__",
  "lk:t:{000}:x",
  "日本語",
  "É",
  "É",
  "ı",
];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "latchkey-kinds-"));
  writeFileSync(
    join(folder, "kinds.yaml"),
    "kinds: [{ name: named, prefix: nm, unique_labels: true, max_per_subject: 1, permanent: true }, { name: service, prefix: sv }]",
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

onEachStore(
  (world) => {
    test("owners with odd names have each their own tokens, labels and places, and nobody else's", async () => {
      const foreign = ["a", "*", "{a}", "lk", "tokens"];
      for (const key of foreign) await world.redis?.admin.set(key, "untouched");
      const owners = NAMES.flatMap((tenant) => [
        { tenant, subject: "c" },
        { tenant: "t", subject: tenant },
        { tenant: `${tenant}/x`, subject: "y" },
        { tenant, subject: "x/y" },
      ]);
      const root = world.connect();
      const names = new Map(owners.map((owner) => [JSON.stringify(owner), owner]));
      const made = await Promise.all(
        [...names.values()].map((owner) => world.issue({ ...owner, kind: "named", label: `${owner.tenant} {*}` })),
      );
      await Promise.all(
        made.map(async ({ id, secret, tenant, subject, label }) => {
          expect(names.has(JSON.stringify({ tenant, subject }))).toBe(true);
          const { tokens } = await root.list({ tenant, subject });
          expect(tokens.map((token) => [token.id, token.tenant, token.subject, token.label])).toEqual([
            [id, tenant, subject, label],
          ]);
          expect(await world.judge(secret)).toBe("ACTIVE");
        }),
      );

      const [gone, ...kept] = made;
      const { tenant, subject, secret } = gone as (typeof made)[number];
      expect((await root.deleteAll({ tenant, subject })).deletedCount).toBe(1n);
      expect(await world.judge(secret)).toBe("UNKNOWN");
      const verdicts = await Promise.all(kept.map((token) => world.judge(token.secret)));
      expect(new Set(verdicts)).toEqual(new Set(["ACTIVE"]));

      if (!world.redis) return;
      const keys = await world.redis.admin.keys("*");
      const ours = keys.filter((key) => !foreign.includes(key));
      expect(ours.filter((key) => !/^lk:(?:meta|keys|[a-z]:\{[0-9A-Za-z]{3}\}:.+)$/.test(key))).toEqual([]);
      // Nor would two owners meet if they had one shard.
      const indexes = ours.filter((key) => key.startsWith("lk:s:")).map((key) => key.replace(/\{...\}/, ""));
      expect(new Set(indexes).size).toBe(indexes.length);
      expect(await world.redis.admin.mget(foreign)).toEqual(foreign.map(() => "untouched"));
    });

    test.each([
      { text: "\0 \n \u202e \u200b", "\0": "\u2028" },
      { "*": "{}", "lk:t:{000}:x": ["'; DROP TABLE tokens; --", "\\", '"'] },
      { constructor: 1, toString: { hasOwnProperty: null } },
      JSON.parse('{"__proto__": {"admin": true}, "a": {"__proto__": 1}}'),
      { "": "", deep: [[[[[[[[{ a: -0.5 }]]]]]]]] },
    ])("claims come back exactly as they were sent: %j", async (claims) => {
      const created = await world.post("Create", JSON.stringify({ kind: "service", claims }));
      expect(created.status).toBe(200);
      const { secret, token } = JSON.parse(created.text);
      expect(JSON.stringify(token.claims)).toBe(JSON.stringify(claims));
      const found = await world.post("Introspect", JSON.stringify({ secret }));
      expect(JSON.stringify(JSON.parse(found.text).token.claims)).toBe(JSON.stringify(claims));
    });

    test.each([
      ["a lone surrogate in a text", { a: "\ud800" }],
      ["a lone surrogate in a name", { "\udc00": 1 }],
      ["more than 4 KiB", { a: "x".repeat(4090) }],
      ["more than 4 KiB of two-byte characters", { a: "é".repeat(2045) }],
    ])("claims with %s are refused", async (_what, claims) => {
      const answer = await world.post("Create", JSON.stringify({ kind: "service", subject: "claims", claims }));
      expect(refusalIn(answer)).toBe("invalid_argument CLAIMS_INVALID");
      expect((await world.connect().list({ subject: "claims" })).tokens).toEqual([]);
    });
  },
  () => ({ LATCHKEY_KINDS: join(folder, "kinds.yaml") }),
);
