import { createHmac, verify } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { composeJwt, FIXED_CLAIMS, isJwt, signJwt, verifyJwt } from "../../src/domain/jwt.ts";
import type { KeyRing } from "../../src/domain/keys.ts";
import type { JwtPolicy } from "../../src/domain/kinds.ts";
import type { Token } from "../../src/domain/token.ts";
import { DAY, keyRing, kindOf, NOW, refusal, thrownBy, tokenOf } from "./world.ts";

const keys = keyRing(1);
const ALGORITHMS = ["EdDSA", "ES256"] as const;
const SECONDS = NOW / 1000;

const kindWith = (jwt: Partial<JwtPolicy> = {}) =>
  kindOf({ format: "jwt", prefix: "", jwt: { algorithm: "EdDSA", issuer: undefined, claims: {}, ...jwt } });
const compose = (changes: Partial<Token> = {}, jwt: Partial<JwtPolicy> = {}, now = NOW, ring = keys) =>
  composeJwt(ring, kindWith(jwt), tokenOf(changes), now);
const make = (...args: Parameters<typeof compose>) => signJwt(args[3] ?? keys, compose(...args));
const parse = (part: string | undefined) => JSON.parse(Buffer.from(part ?? "", "base64url").toString());
const claimsOf = (...args: Parameters<typeof compose>) => parse(compose(...args).split(".")[1]);
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A JWT as our own key would sign it if somebody made it do so. */
function signed(header: object, payload: unknown = { jti: tokenOf().id }, ring: KeyRing = keys): string {
  const { kid } = ring.current.signing.EdDSA;
  return signJwt(ring, `${encode({ alg: "EdDSA", kid, typ: "at+jwt", ...header })}.${encode(payload)}`);
}

describe("a JWT is made", () => {
  test("with all that RFC 9068 asks for", () => {
    const token = tokenOf({ scopes: ["repo:read", "repo:write"], audiences: ["photos"], clientId: "web" });
    expect(claimsOf(token)).toStrictEqual({
      iss: "latchkey",
      sub: "ada",
      aud: "photos",
      exp: SECONDS + DAY / 1000,
      iat: SECONDS,
      jti: token.id,
      client_id: "web",
      scope: "repo:read repo:write",
    });
  });

  test.each(ALGORITHMS)(
    "signed with %s by the current key, which its header names, as an access token",
    (algorithm) => {
      const ring = keyRing(2, 1);
      const key = ring.current.signing[algorithm];
      const [header, payload, signature] = make({}, { algorithm }, NOW, ring).split(".");
      expect(parse(header)).toStrictEqual({ alg: algorithm, kid: key.kid, typ: "at+jwt" });
      const digest = algorithm === "ES256" ? "sha256" : null;
      const options = { key: key.publicKey, dsaEncoding: "ieee-p1363" as const };
      const bytes = Buffer.from(signature as string, "base64url");
      expect(verify(digest, Buffer.from(`${header}.${payload}`), options, bytes)).toBe(true);
    },
  );

  test.each(ALGORITHMS)("the same for the same token at the same second, with %s", (algorithm) => {
    expect(make({}, { algorithm })).toBe(make({}, { algorithm }, NOW + 999));
    expect(make({}, { algorithm })).not.toBe(make({}, { algorithm }, NOW + 1000));
  });

  test("another one for each revision of a token, also within one second", () => {
    expect(claimsOf({ revision: 1 })).not.toHaveProperty("rev");
    expect(claimsOf({ revision: 2 }).rev).toBe(2);
    expect(new Set([1, 2, 3].map((revision) => make({ revision }))).size).toBe(3);
  });

  test.each<[string, Partial<Token>, object]>([
    ["without exp for a permanent token", { expireTime: undefined }, { exp: undefined }],
    ["with the second in which it expires, never a later one", { expireTime: NOW + 1999 }, { exp: SECONDS + 1 }],
    ["without scope for a token without scopes", { scopes: [] }, { scope: undefined }],
    ["for its issuer if it is for nobody else", { audiences: [] }, { aud: "latchkey" }],
    ["for all of its audiences", { audiences: ["a", "b"] }, { aud: ["a", "b"] }],
    ["for the creator if there is no client", { clientId: "", creator: "acme/boss" }, { client_id: "acme/boss" }],
  ])("%s", (_, changes, expected) => {
    expect(claimsOf(changes)).toEqual({ ...claimsOf(), ...expected });
  });

  test("with the token's own claims, which come in the place of none that tells what the record says", () => {
    const names = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "rev"];
    const own = Object.fromEntries(names.map((name) => [name, "mine"]));
    const bare = { expireTime: undefined, scopes: [] };
    const expected = claimsOf(bare);
    expect(claimsOf({ ...bare, claims: { ...own, group: { name: "staff" } } })).toStrictEqual({
      ...expected,
      group: { name: "staff" },
    });
    for (const absent of ["exp", "nbf", "scope", "rev"]) expect(expected).not.toHaveProperty(absent);
  });

  test("with a claim of JavaScript's own names as with any other", () => {
    const claims = JSON.parse('{"__proto__": {"admin": true}, "constructor": 1}');
    const text = Buffer.from(compose({ claims }).split(".")[1] as string, "base64url").toString();
    expect(text).toContain('"__proto__":{"admin":true},"constructor":1');
    expect(claimsOf({ claims }).admin).toBeUndefined();
  });

  test("from the creator's id to the client, no text of a token says more than itself", () => {
    const hostile = '"},"scope":"admin","x":{"{id}';
    const claims = claimsOf({ label: hostile, subject: hostile }, { claims: { name: "{label}", id: "{subject}" } });
    expect(claims).toMatchObject({ sub: hostile, name: hostile, id: hostile });
    expect(claims.scope).toBeUndefined();
  });

  test("no longer than can be used, and an error says so otherwise", () => {
    const scopesOf = (characters: number) => ({ scopes: ["s".repeat(characters)] });
    const rest = make(scopesOf(3)).length;
    const longest = scopesOf(3 + Math.floor(((8000 - rest) * 3) / 4));
    expect(make(longest).length).toBeGreaterThan(7995);
    expect(make(longest).length).toBeLessThanOrEqual(8000);
    expect(isJwt(make(longest))).toBe(true);
    expect(thrownBy(() => compose(scopesOf(6000)))).toMatchObject(
      refusal(
        "CLAIMS_INVALID",
        "the JWT would have 8389 characters, more than 8000: give the token fewer claims, scopes or audiences",
      ),
    );
  });
});

describe("a kind's own claims", () => {
  test("are texts in which the names in braces stand for the token's", () => {
    const token = tokenOf({ label: "laptop", clientId: "web", creator: "acme/boss", kind: "api" });
    const text = "{id} {tenant} {subject} {kind} {label} {client_id} {creator}";
    expect(claimsOf(token, { claims: { about: text, fixed: "v1", twice: "{id}{id}" } })).toMatchObject({
      about: `${token.id} acme ada api laptop web acme/boss`,
      fixed: "v1",
      twice: token.id + token.id,
    });
  });

  test("leave all else in braces as it is", () => {
    const text = "{digests} {hint} {} {{id}} {ID} {constructor} {client_id";
    const { x } = claimsOf({}, { claims: { x: text } });
    expect(x).toBe(`{digests} {hint} {} {${tokenOf().id}} {ID} {constructor} {client_id`);
  });

  test("may come in the place of iss, sub, aud and client_id, and of the token's own claims", () => {
    const policy = { iss: "{tenant}", sub: "user-auth", aud: "{label}", client_id: "x", group: "{kind}" };
    const token = { label: "ada@example.com", audiences: ["a", "b"], claims: { group: "staff" } };
    expect(claimsOf(token, { claims: policy })).toMatchObject({
      ...policy,
      iss: "acme",
      aud: token.label,
      group: "personal",
    });
  });

  test("never come in the place of what the record decides", () => {
    const fixed = Object.fromEntries(FIXED_CLAIMS.map((name) => [name, "x"]));
    expect(FIXED_CLAIMS).toEqual(["exp", "nbf", "iat", "jti", "scope", "rev"]);
    expect(claimsOf({}, { claims: fixed })).toStrictEqual(claimsOf());
    expect(claimsOf({ expireTime: undefined }, { claims: fixed })).not.toHaveProperty("exp");
  });

  test("are left out where their text is empty", () => {
    expect(claimsOf({ label: "" }, { claims: { name: "{label}", aud: "{label}" } })).toStrictEqual(claimsOf());
  });

  test("may hold the tenant in the issuer, which is then the default audience, too", () => {
    expect(claimsOf({}, { issuer: "https://{tenant}.example" })).toMatchObject({
      iss: "https://acme.example",
      aud: "https://acme.example",
    });
  });
});

describe("a JWT is ours", () => {
  test.each(ALGORITHMS)("with %s: its id comes back", async (algorithm) => {
    expect(await verifyJwt(keys, make({}, { algorithm }))).toBe(tokenOf().id);
  });

  test("whatever its expiry: the record decides", async () => {
    expect(await verifyJwt(keys, make({ expireTime: 1000 }, {}, 0))).toBe(tokenOf().id);
  });

  test("by each of the keys, whichever is the current one", async () => {
    for (const algorithm of ALGORITHMS) {
      const jwt = make({}, { algorithm }, NOW, keyRing(3));
      for (const ring of [keyRing(3), keyRing(4, 3), keyRing(3, 4), keyRing(5, 4, 3)]) {
        expect(await verifyJwt(ring, jwt)).toBe(tokenOf().id);
      }
      expect(await verifyJwt(keyRing(4, 5), jwt)).toBeUndefined();
    }
  });

  test("and is signed again with the key that it names, for as long as that one is there", () => {
    const unsigned = compose({}, { algorithm: "ES256" }, NOW, keyRing(1));
    expect(signJwt(keyRing(2, 1), unsigned)).toBe(signJwt(keyRing(1), unsigned));
    expect(() => signJwt(keyRing(2), unsigned)).toThrow("the signing key is not there");
  });
});

describe("a JWT under one of our key ids is not ours", () => {
  const jwt = make();
  const [header, payload, signature] = jwt.split(".") as [string, string, string];
  const { kid } = keys.current.signing.EdDSA;

  test("with any character changed", async () => {
    const property = fc.asyncProperty(fc.nat(jwt.length - 1), fc.constantFrom(..."ABCxyz019-_"), async (at, other) => {
      fc.pre(jwt[at] !== other && jwt[at] !== ".");
      expect(await verifyJwt(keys, jwt.slice(0, at) + other + jwt.slice(at + 1))).not.toBe(tokenOf().id);
    });
    await fc.assert(property, { numRuns: 500 });
  });

  test.each(ALGORITHMS)("with another spelling of the same bytes of its signature, with %s", async (algorithm) => {
    const genuine = make({}, { algorithm });
    const bytes = Buffer.from(genuine.slice(-86), "base64url");
    // The last character stands for two bits of the signature and four that mean nothing.
    const twins = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]
      .map((last) => genuine.slice(0, -1) + last)
      .filter((twin) => twin !== genuine && Buffer.from(twin.slice(-86), "base64url").equals(bytes));
    expect(twins).toHaveLength(15);
    for (const twin of twins) expect(await verifyJwt(keys, twin)).toBe("SIGNATURE");
  });

  test("with the other good ECDSA signature, which anybody can make out of ours", async () => {
    const order = BigInt("0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    const genuine = make({}, { algorithm: "ES256" });
    const bytes = Buffer.from(genuine.slice(-86), "base64url");
    const s = order - BigInt(`0x${bytes.subarray(32).toString("hex")}`);
    const twin = Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, "0"), "hex")]);
    expect(await verifyJwt(keys, genuine.slice(0, -86) + twin.toString("base64url"))).toBe("SIGNATURE");
    expect(await verifyJwt(keys, genuine)).toBe(tokenOf().id);
  });

  test.each<[string, string]>([
    ["with another payload", `${header}.${encode({ jti: "abcABCDEFGHIJKLMNOQ" })}.${signature}`],
    ["with another signature", `${header}.${payload}.${"A".repeat(86)}`],
    ["with a signature that is cut", jwt.slice(0, -1)],
    ["with the algorithm none", `${encode({ alg: "none", kid, typ: "at+jwt" })}.${payload}.${signature}`],
    ["with the algorithm of our other key", `${encode({ alg: "ES256", kid, typ: "at+jwt" })}.${payload}.${signature}`],
    ["without an algorithm", `${encode({ kid, typ: "at+jwt" })}.${payload}.${signature}`],
    [
      "under the key id of our other key",
      `${encode({ ...parse(header), kid: keys.current.signing.ES256.kid })}.${payload}.${signature}`,
    ],
    ["of another type, though we had signed it", signed({ typ: "JWT" })],
    ["of a type in another case, though we had signed it", signed({ typ: "AT+JWT" })],
    ["without a type, though we had signed it", signed({ typ: undefined })],
    ["with a critical extension, though we had signed it", signed({ crit: ["b64"], b64: true })],
    ["with an unknown critical extension, though we had signed it", signed({ crit: ["x"], x: 1 })],
  ])("%s", async (_, text) => {
    expect(await verifyJwt(keys, text)).toBe("SIGNATURE");
  });

  test.each(["spki pem", "spki der", "jwk x"])("with our public key (%s) for a shared secret", async (form) => {
    const { publicKey, jwk } = keys.current.signing.EdDSA;
    const [type, format] = form.split(" ") as ["spki", "pem"];
    const secret = form === "jwk x" ? Buffer.from(jwk.x as string, "base64url") : publicKey.export({ type, format });
    const unsigned = `${encode({ alg: "HS256", kid, typ: "at+jwt" })}.${payload}`;
    const forged = `${unsigned}.${createHmac("sha256", secret).update(unsigned).digest("base64url")}`;
    expect(await verifyJwt(keys, forged)).toBe("SIGNATURE");
  });
});

describe("a text is nobody's JWT to us", () => {
  const [header, payload, signature] = make().split(".") as [string, string, string];

  test.each<[string, string]>([
    ["under an unknown key id", make({}, {}, NOW, keyRing(9))],
    ["without a key id", `${encode({ alg: "EdDSA", typ: "at+jwt" })}.${payload}.${signature}`],
    ["with a key id that is a list", `${encode({ alg: "EdDSA", kid: [parse(header).kid] })}.${payload}.${signature}`],
    ["with a key id of JavaScript's own names", `${encode({ kid: "__proto__" })}.${payload}.${signature}`],
    ["with a header that is null", `${encode(null)}.${payload}.${signature}`],
    ["with a header that is no JSON", `AAAA.${payload}.${signature}`],
    ["with an id that is none, though we had signed it", signed({}, { jti: "../../x" })],
    ["with an id that is a number, though we had signed it", signed({}, { jti: 1 })],
    ["without an id, though we had signed it", signed({}, {})],
    ["that is longer than 8 KiB, though we had signed it", signed({}, { jti: tokenOf().id, x: "x".repeat(6200) })],
    ["that is an opaque secret", "lk_pat_0123456789"],
    ["that is empty", ""],
  ])("%s", async (_, text) => {
    expect(await verifyJwt(keys, text)).toBeUndefined();
  });

  test.each<[string, (jwt: string) => string]>([
    ["with white space before it", (jwt) => ` ${jwt}`],
    ["with a line end", (jwt) => `${jwt}\n`],
    ["with padding", (jwt) => `${jwt}==`],
    ["with a fourth part", (jwt) => `${jwt}.`],
    ["with five parts, as a JWE has", (jwt) => `${jwt}.AAAA.AAAA`],
    ["without a signature", (jwt) => jwt.slice(0, jwt.lastIndexOf(".") + 1)],
    ["without a payload", () => `${header}..${signature}`],
    ["without a header", () => `.${payload}.${signature}`],
    ["in plain base64", (jwt) => jwt.replaceAll("-", "+").replaceAll("_", "/").replace("eyJ", "e+J")],
    ["of dots", () => ".".repeat(8000)],
  ])("%s", async (_, change) => {
    const text = change(make());
    expect(isJwt(text)).toBe(false);
    expect(await verifyJwt(keys, text)).toBeUndefined();
  });
});
