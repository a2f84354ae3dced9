import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { collectSchemes, readCredentials } from "../../src/auth/credentials.ts";
import { kindDefaults, kindTable } from "../../src/domain/kinds.ts";
import { TokenError } from "../../src/errors.ts";
import { answerOf, INVALID, metadataOf } from "./fixtures.ts";

const schemes = collectSchemes(
  kindTable([
    { ...kindDefaults, name: "api", prefix: "lk_api", scheme: "OrgUserApiToken" },
    { ...kindDefaults, name: "personal", prefix: "lk_pat" },
  ]),
);

function read(authorization: string | readonly string[]) {
  return readCredentials(metadataOf({ authorization }), schemes);
}

function basic(text: string | Uint8Array): string {
  return `Basic ${Buffer.from(text).toString("base64")}`;
}

function failure(authorization: string | readonly string[]): TokenError {
  try {
    read(authorization);
  } catch (error) {
    if (error instanceof TokenError) return error;
    throw error;
  }
  throw new Error(`was accepted: ${JSON.stringify(authorization)}`);
}

describe("reads the token of", () => {
  test.each([
    ["Bearer", "Bearer lk_pat_abc", "lk_pat_abc"],
    ["a scheme in any case", "bEARER lk_pat_abc", "lk_pat_abc"],
    ["several spaces after the scheme", "Bearer   lk_pat_abc", "lk_pat_abc"],
    ["Token", "Token lk_pat_abc", "lk_pat_abc"],
    ["Basic with any user", basic("alice:lk_pat_abc"), "lk_pat_abc"],
    ["Basic with no user", basic(":lk_pat_abc"), "lk_pat_abc"],
    ["Basic with a user of any language", basic("Алиса Zoë:lk_pat_abc"), "lk_pat_abc"],
    ["Basic whose password holds colons", basic("alice:a:b::c"), "a:b::c"],
    ["Basic whose password is a JWT", basic("x:eyJ.eyJ.c2ln"), "eyJ.eyJ.c2ln"],
    ["Basic whose password holds a comma", basic("x:a,b"), "a,b"],
    ["a value of exactly 8 KiB", `Bearer ${"a".repeat(8192 - 7)}`, "a".repeat(8192 - 7)],
  ])("%s", (_, header, token) => {
    expect(read(header)).toEqual({ token, kind: undefined });
  });

  test.each(["OrgUserApiToken", "orguserapitoken", "ORGUSERAPITOKEN"])(
    "the kind's scheme %s, for that kind only",
    (scheme) => {
      expect(read(`${scheme} lk_api_abc`)).toEqual({ token: "lk_api_abc", kind: "api" });
    },
  );
});

describe("refuses with CREDENTIALS_INVALID", () => {
  test.each<[string, string | readonly string[]]>([
    ["two authorization headers", ["Bearer a", "Bearer b"]],
    ["two equal authorization headers", ["Bearer a", "Bearer a"]],
    ["an empty header beside a good one", ["", "Bearer a"]],
    ["two headers that a proxy has joined", "Bearer a, Bearer b"],
    ["two tokens joined by a comma alone", "Bearer a,b"],
    ["an empty header", ""],
    ["a header of spaces", "   "],
    ["a scheme without a token", "Bearer"],
    ["a scheme with an empty token", "Bearer "],
    ["a token without a scheme", "lk_pat_abc"],
    ["a space before the scheme", " Bearer a"],
    ["a space after the token", "Bearer a "],
    ["two words", "Bearer a b"],
    ["a tab in place of the space", "Bearer\ta"],
    ["an unknown scheme", "Digest a"],
    ["a scheme of JavaScript's own names", "constructor a"],
    ["a scheme that no kind has declared", "AppUser a"],
    ["a line break", "Bearer a\nx"],
    ["a last line break", "Bearer a\n"],
    ["a NUL", "Bearer a\0"],
    ["a DEL", "Bearer a\x7f"],
    ["letters beyond ASCII", "Bearer äbc"],
    ["a scheme with a Kelvin sign for its k", "To\u212Aen a"],
    ["a value above 8 KiB", `Bearer ${"a".repeat(8192 - 6)}`],
    ["a million dots", `Bearer ${".".repeat(1_000_000)}`],
    ["a million schemes", "a ".repeat(500_000)],
    ["Basic that is not base64", "Basic lk_pat_abc"],
    ["Basic in base64url", `Basic ${Buffer.from("\xff\xfe?:ab>", "latin1").toString("base64url")}`],
    ["Basic with its padding cut off", basic("user:ab").replace(/=+$/, "")],
    ["Basic with bits that say nothing", "Basic dTpwYX=="],
    ["Basic without a colon", basic("lk_pat_abc")],
    ["Basic without a password", basic("alice:")],
    ["Basic with a line break in the password", basic("alice:a\nb")],
    ["Basic with a line break in the user", basic("ali\nce:a")],
    ["Basic with a NUL", basic("alice:\0a")],
    ["Basic with a space in the password", basic("alice:a b")],
    ["Basic that is not UTF-8", basic(Uint8Array.of(0x61, 0x3a, 0xff))],
  ])("%s", (_, header) => {
    expect(answerOf(failure(header))).toEqual(INVALID);
  });
});

test("no header is no credentials, whatever else is sent", () => {
  const others = {
    "authorization-bin": "Bearer a",
    "proxy-authorization": "Bearer a",
    "x-authorization": "Bearer a",
    "x-tenant": "acme",
    cookie: "authorization=a",
  };
  expect(readCredentials(metadataOf(others), schemes)).toBeUndefined();
});

test("does not tell in an error what was presented", () => {
  const { message, cause, stack } = failure("Bearer s3cret canary");
  expect(`${message} ${cause} ${stack}`).not.toMatch(/s3cret|canary/);
});

test("for any headers it answers credentials or throws CREDENTIALS_INVALID, nothing else", () => {
  const word = fc.constantFrom("Bearer", "Token", "Basic", "OrgUserApiToken", "Digest", " ", ",", ":", "\0");
  const header = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(fc.oneof(word, fc.string()), { maxLength: 6 }).map((parts) => parts.join("")),
    fc.tuple(word, fc.base64String()).map(([scheme, text]) => `${scheme} ${text}`),
    fc.string({ unit: "binary" }).map((text) => basic(text)),
  );
  fc.assert(
    fc.property(fc.array(header, { maxLength: 3 }), (headers) => {
      try {
        const found = read(headers);
        if (found === undefined) expect(headers).toEqual([]);
        else expect(found.token).toMatch(/^[!-~]+$/);
      } catch (error) {
        expect(error).toBeInstanceOf(TokenError);
        expect((error as TokenError).reason).toBe("CREDENTIALS_INVALID");
      }
    }),
    { numRuns: 2000 },
  );
});

test("Basic answers all that follows the first colon, for any user and password", () => {
  const user = fc.string({ unit: "grapheme" }).filter((text) => !/[:\p{Cc}]/u.test(text));
  const password = fc.stringMatching(/^[!-~]{1,64}$/);
  fc.assert(
    fc.property(user, password, (name, token) => {
      expect(read(basic(`${name}:${token}`))).toEqual({ token, kind: undefined });
    }),
  );
});
