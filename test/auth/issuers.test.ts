import { createHmac, createPublicKey } from "node:crypto";
import { deflateRawSync } from "node:zlib";
import { CompactEncrypt } from "jose";
import { describe, expect, test } from "vitest";
import { bearer, expectInvalid, metadataOf, NOW, peer } from "./fixtures.ts";
import {
  AUDIENCE,
  claims,
  createEd25519,
  createEs256,
  createRsa,
  encode,
  ISSUER,
  keySetOf,
  settingsOf,
  signJwt,
  signText,
  trusting,
} from "./jwt-fixtures.ts";

const ed25519 = createEd25519("ed");
const es256 = createEs256("es");
const rsa = createRsa("rsa");
const stranger = createEd25519("ed");
const keys = { keys: keySetOf(ed25519, es256, rsa) };
const authenticate = trusting(settingsOf({ keys }));

const NOW_SECONDS = NOW / 1000;
const alice = {
  credential: "jwt",
  tenant: "acme",
  subject: "alice",
  scopes: new Set(["latchkey:self"]),
  permissions: new Set(["latchkey:self"]),
};

describe("accepts a JWT of the issuer", () => {
  test.each([
    ["EdDSA", ed25519],
    ["ES256", es256],
    ["RS256", rsa],
  ])("signed by %s", async (_, key) => {
    expect(await authenticate(bearer(signJwt(key)), peer)).toEqual(alice);
  });

  test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ["with its audience among others", { aud: ["photos", AUDIENCE] }, {}],
    ["without a type", {}, { typ: undefined }],
    ["of the type of RFC 9068", {}, { typ: "at+jwt" }],
    ["of a type with its prefix", {}, { typ: "application/at+JWT" }],
    ["that expired within the tolerance", { exp: NOW_SECONDS - 29 }, {}],
    ["that begins within the tolerance", { nbf: NOW_SECONDS + 30, iat: NOW_SECONDS + 30 }, {}],
    ["without iat", { iat: undefined }, {}],
  ])("%s", async (_, payload, header) => {
    expect(await authenticate(bearer(signJwt(ed25519, payload, header)), peer)).toEqual(alice);
  });

  test("by the schemes that take any token", async () => {
    const jwt = signJwt(ed25519);
    const basic = `Basic ${Buffer.from(`alice:${jwt}`).toString("base64")}`;
    expect(await authenticate(metadataOf({ authorization: `Token ${jwt}` }), peer)).toEqual(alice);
    expect(await authenticate(metadataOf({ authorization: basic }), peer)).toEqual(alice);
  });

  test("without a key id, while only one key fits its algorithm", async () => {
    expect(await authenticate(bearer(signJwt(ed25519, {}, { kid: undefined })), peer)).toEqual(alice);
    const two = trusting(settingsOf({ keys: { keys: keySetOf(ed25519, createEd25519("other")) } }));
    await expectInvalid(two, bearer(signJwt(ed25519, {}, { kid: undefined })));
  });

  test("with the clocks minutes apart, if the issuer's tolerance says so", async () => {
    const tolerant = trusting(settingsOf({ keys, clockTolerance: 300_000 }));
    expect(await tolerant(bearer(signJwt(ed25519, { exp: NOW_SECONDS - 299 })), peer)).toEqual(alice);
    await expectInvalid(tolerant, bearer(signJwt(ed25519, { exp: NOW_SECONDS - 300 })));
  });
});

describe("knows when the user behind a JWT has logged in", () => {
  const authTimeOf = async (auth_time: unknown) =>
    (await authenticate(bearer(signJwt(ed25519, { auth_time })), peer)).authTime;

  test("if the JWT says so, also by a clock that is ahead within the tolerance", async () => {
    expect(await authTimeOf(NOW_SECONDS - 300)).toBe(NOW - 300_000);
    expect(await authTimeOf(NOW_SECONDS + 30)).toBe(NOW + 30_000);
  });

  test("but not if it says nothing, no number, or a time in the future", async () => {
    for (const claim of [undefined, "now", String(NOW_SECONDS), NOW_SECONDS + 31, NOW]) {
      expect(await authTimeOf(claim)).toBeUndefined();
    }
  });
});

describe("refuses a JWT whose claims", () => {
  test.each<[string, Record<string, unknown>]>([
    ["expired beyond the tolerance", { exp: NOW_SECONDS - 30 }],
    ["never expire", { exp: undefined }],
    ["expire at a text", { exp: "2040-01-01" }],
    ["begin beyond the tolerance", { nbf: NOW_SECONDS + 31 }],
    ["were issued in the future", { iat: NOW_SECONDS + 31 }],
    ["were issued at a text", { iat: "now" }],
    ["have another audience", { aud: "photos" }],
    ["have an audience that begins with ours", { aud: `${AUDIENCE}.evil` }],
    ["have no audience", { aud: undefined }],
    ["have an empty list of audiences", { aud: [] }],
    ["have another issuer", { iss: "https://evil.example" }],
    ["have an issuer with a slash more", { iss: `${ISSUER}/` }],
    ["have an issuer of another case", { iss: ISSUER.toUpperCase() }],
    ["have an issuer that is a list", { iss: [ISSUER] }],
    ["have no issuer", { iss: undefined }],
    ["have no subject", { sub: undefined }],
    ["have an empty subject", { sub: "" }],
    ["have a subject that is a number", { sub: 42 }],
    ["have a subject with a line break", { sub: "ali\nce" }],
    ["have a subject of 257 bytes", { sub: "a".repeat(257) }],
    ["have half a character as subject", { sub: "\ud800" }],
    ["have no tenant", { org: undefined }],
    ["have a tenant with a space", { org: "ac me" }],
    ["have a tenant that is an object", { org: { toString: "acme" } }],
  ])("%s", async (_, payload) => {
    await expectInvalid(authenticate, bearer(signJwt(ed25519, payload)));
  });
});

describe("refuses a JWT whose header", () => {
  test.each<[string, Record<string, unknown>]>([
    ["names an unknown key", { kid: "unknown" }],
    ["names a key by traversal", { kid: "../../../../dev/null" }],
    ["names a key by injection", { kid: "ed' OR '1'='1" }],
    ["names a key by a number", { kid: 0 }],
    ["names a key of JavaScript's own names", { kid: "__proto__" }],
    ["names the key of another algorithm", { kid: "rsa" }],
    ["has another algorithm than its key", { alg: "ES256" }],
    ["has an algorithm of another case", { alg: "eddsa" }],
    ["has no algorithm", { alg: undefined }],
    ["has a list of algorithms", { alg: ["EdDSA"] }],
    ["has an extension that must be understood", { crit: ["exp"] }],
    ["has an empty crit", { crit: [] }],
    ["leaves its payload unencoded", { b64: false, crit: ["b64"] }],
    ["is of a logout token", { typ: "logout+jwt" }],
    ["is of a JWE", { typ: "JWE" }],
    ["has a type that is no text", { typ: 1 }],
  ])("%s", async (_, header) => {
    await expectInvalid(authenticate, bearer(signJwt(ed25519, {}, header)));
  });

  test.each<[string, Record<string, unknown>]>([
    ["jwk", { jwk: stranger.jwk }],
    ["jku", { jku: "http://127.0.0.1:1/jwks.json" }],
    ["x5u", { x5u: "http://127.0.0.1:1/cert.pem" }],
    ["x5c", { x5c: ["MIIB"] }],
  ])("brings its own key in %s; beside a good signature that is ignored", async (_, header) => {
    await expectInvalid(authenticate, bearer(signJwt(stranger, {}, header)));
    await expectInvalid(authenticate, bearer(signJwt(stranger, {}, { ...header, kid: undefined })));
    expect(await authenticate(bearer(signJwt(ed25519, {}, header)), peer)).toEqual(alice);
  });
});

describe("refuses a JWT that", () => {
  test("is signed by a stranger under a known key id", async () => {
    await expectInvalid(authenticate, bearer(signJwt(stranger)));
  });

  test("was changed after it was signed", async () => {
    const [header, , signature] = signJwt(ed25519).split(".");
    await expectInvalid(authenticate, bearer(`${header}.${encode({ ...claims, sub: "root" })}.${signature}`));
  });

  test.each(["none", "None", "NONE", "nOnE"])("has no signature and the algorithm %s", async (alg) => {
    const text = `${encode({ alg, typ: "JWT" })}.${encode(claims)}`;
    for (const signature of ["", ".", ".AA", ".e30"]) await expectInvalid(authenticate, bearer(text + signature));
  });

  test.each([
    ["the PEM", createPublicKey(rsa.privateKey).export({ type: "spki", format: "pem" })],
    ["the DER", createPublicKey(rsa.privateKey).export({ type: "spki", format: "der" })],
    ["the modulus", Buffer.from(rsa.jwk.n ?? "", "base64url")],
    ["nothing", ""],
  ])("takes %s of the public key for a shared secret", async (_, secret) => {
    for (const kid of ["rsa", undefined]) {
      const text = `${encode({ alg: "HS256", kid })}.${encode(claims)}`;
      const signature = createHmac("sha256", secret).update(text).digest("base64url");
      await expectInvalid(authenticate, bearer(`${text}.${signature}`));
    }
  });

  test("has an algorithm that its issuer is not set up for", async () => {
    const onlyEdDsa = trusting(settingsOf({ keys, algorithms: ["EdDSA"] }));
    await expectInvalid(onlyEdDsa, bearer(signJwt(rsa)));
  });

  test("is compressed", async () => {
    const payload = deflateRawSync(JSON.stringify(claims)).toString("base64url");
    const header = encode({ alg: "EdDSA", kid: "ed", zip: "DEF" });
    await expectInvalid(authenticate, bearer(signText(ed25519, `${header}.${payload}`)));
  });

  test("is encrypted, even for a key of the issuer", async () => {
    const jwe = await new CompactEncrypt(Buffer.from(signJwt(ed25519)))
      .setProtectedHeader({ alg: "RSA-OAEP-256", enc: "A256GCM", kid: "rsa" })
      .encrypt({ ...rsa.jwk, alg: "RSA-OAEP-256" });
    await expectInvalid(authenticate, bearer(jwe));
  });

  test.each([
    ["a million dots", ".".repeat(1_000_000)],
    ["8,000 dots", ".".repeat(8000)],
    ["8,000 dots with letters", "a.".repeat(4000)],
    ["a payload beyond 8 KiB", signJwt(ed25519, { filler: "a".repeat(8192) })],
    [
      "deep nesting",
      signText(ed25519, `${encode({ alg: "EdDSA" })}.${Buffer.from("[".repeat(5000)).toString("base64url")}`),
    ],
    ["a payload that is a list", signText(ed25519, `${encode({ alg: "EdDSA" })}.${encode([claims])}`)],
    ["a payload that is null", signText(ed25519, `${encode({ alg: "EdDSA" })}.${encode(null)}`)],
    ["a payload that is no JSON", signText(ed25519, `${encode({ alg: "EdDSA" })}.AAAA`)],
    ["a header that is no JSON", signText(ed25519, `AAAA.${encode(claims)}`)],
    ["a header that is null", signText(ed25519, `${encode(null)}.${encode(claims)}`)],
    ["padding", signJwt(ed25519).replace(/$/, "==")],
    ["an empty header", `.${encode(claims)}.AAAA`],
    ["an empty payload", `${encode({ alg: "EdDSA" })}..AAAA`],
  ])("is %s", async (_, text) => {
    await expectInvalid(authenticate, bearer(text));
  });
});

describe("among several issuers", () => {
  const OTHER = "https://other.example";
  const otherKey = createEd25519("ed");
  const both = trusting(settingsOf({ keys }), settingsOf({ issuer: OTHER, keys: { keys: keySetOf(otherKey) } }));

  test("each signs for itself", async () => {
    expect(await both(bearer(signJwt(ed25519)), peer)).toEqual(alice);
    expect(await both(bearer(signJwt(otherKey, { iss: OTHER })), peer)).toEqual(alice);
  });

  test("none signs for another", async () => {
    await expectInvalid(both, bearer(signJwt(otherKey)));
    await expectInvalid(both, bearer(signJwt(ed25519, { iss: OTHER })));
  });
});

test("without issuers every JWT is invalid", async () => {
  await expectInvalid(trusting(), bearer(signJwt(ed25519)));
});
