import { createHash, createHmac, createSecretKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CompactSign } from "jose";
import { describe, expect, test } from "vitest";
import { readKeysFile } from "../../src/config/keys-file.ts";
import { errorOf, faultsOf, makeFolder, writeFixture } from "./folder.ts";

const base64 = (length: number) => Buffer.alloc(length, 7).toString("base64");
const KEYS = `keys: [{ version: 1, secret: ${base64(32)} }]\n`;
const write = (...entries: string[]) =>
  writeFixture("keys.yaml", `${KEYS}imported:\n${entries.map((entry) => `  - { ${entry} }\n`).join("")}`);
const read = (...entries: string[]) => readKeysFile(write(...entries)).imported;
const fault = (text: string, place = "imported[0]", line = 3) => `keys.yaml:${line}: ${place}: ${text}`;

const ed25519 = generateKeyPairSync("ed25519");
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
const jwk = (key: KeyObject, about: object = {}) => ({ ...key.export({ format: "jwk" }), ...about });
const jwksOf = (...keys: object[]) => JSON.stringify({ keys });

function sign(alg: string, key: KeyObject, header: object = {}): Promise<string> {
  const payload = Buffer.from(JSON.stringify({ iss: "old", jti: "token-1" }));
  return new CompactSign(payload).setProtectedHeader({ alg, ...header }).sign(key);
}

describe("the keys file may say how other systems' secrets are recognised", () => {
  test("or nothing of it", () => {
    expect(readKeysFile(writeFixture("keys.yaml", KEYS)).imported).toEqual([]);
    expect(readKeysFile(writeFixture("keys.yaml", `${KEYS}imported: []`)).imported).toEqual([]);
  });

  test("by digests", async () => {
    const sources = read(
      "name: plain, type: digest, algorithm: sha256",
      `name: keyed, type: digest, algorithm: hmac-sha512, secret: ${base64(16)}`,
      "name: blake, type: digest, algorithm: blake2b-256",
      `name: keyed-blake, type: digest, algorithm: blake2b-512, secret: ${base64(64)}`,
    );
    expect(sources.map(({ name }) => name)).toEqual(["plain", "keyed", "blake", "keyed-blake"]);
    const [plain, keyed, ...blake] = await Promise.all(sources.map((source) => source.recognize("secret")));
    expect(plain).toEqual({ material: createHash("sha256").update("secret").digest("hex") });
    const hmac = createHmac("sha512", Buffer.alloc(16, 7)).update("secret").digest("hex");
    expect(keyed).toEqual({ material: hmac });
    expect(blake).toMatchObject([
      { material: expect.stringMatching(/^[0-9a-f]{64}$/) },
      { material: expect.stringMatching(/^[0-9a-f]{128}$/) },
    ]);
  });

  test("by JWTs with a shared secret", async () => {
    const [source] = read(`name: old, type: jwt, issuer: old, algorithm: HS256, secret: ${base64(32)}`);
    expect(await source?.recognize(await sign("HS256", createSecretKey(Buffer.alloc(32, 7))))).toEqual({
      material: "token-1",
    });
    expect(await source?.recognize(await sign("HS256", createSecretKey(Buffer.alloc(32, 8))))).toBe("SIGNATURE");
  });

  test.each([
    ["EdDSA", ed25519],
    ["ES256", p256],
    ["PS384", rsa],
  ] as const)(
    "by JWTs with public keys, here or in a file beside it: %s",
    async (algorithm, { publicKey, privateKey }) => {
      const folder = makeFolder();
      const path = join(folder, "keys.yaml");
      writeFileSync(join(folder, "old.json"), jwksOf(jwk(publicKey)));
      for (const place of [`jwks: ${jwksOf(jwk(publicKey))}`, "jwks_file: old.json"]) {
        writeFileSync(path, `${KEYS}imported:\n  - { name: old, type: jwt, algorithm: ${algorithm}, ${place} }\n`);
        const [source] = readKeysFile(path).imported;
        expect(await source?.recognize(await sign(algorithm, privateKey))).toEqual({ material: "token-1" });
      }
    },
  );
});

describe("a source is refused, with line and field,", () => {
  const jwks = `jwks: ${jwksOf(jwk(ed25519.publicKey))}`;
  const hmac = (secret: string) => `name: old, type: digest, algorithm: hmac-sha256, secret: ${secret}`;
  const hs256 = (secret: string) => `name: old, type: jwt, algorithm: HS256, secret: ${secret}`;

  test.each([
    ["without a name", "type: digest, algorithm: sha256", fault("is missing", "imported[0].name")],
    [
      "with a name that is none",
      "name: Old One, type: digest, algorithm: sha256",
      fault("must be lower-case letters, digits, - and _, 64 at most", "imported[0].name"),
    ],
    ["without a type", "name: old, algorithm: sha256", fault("must be a digest or a jwt", "imported[0].type")],
    ["of another type", "name: old, type: paseto", fault("must be a digest or a jwt", "imported[0].type")],
    [
      "with a digest that is none",
      "name: old, type: digest, algorithm: md5",
      fault(
        "must be one of sha256, sha512, hmac-sha256, hmac-sha512, blake2b-256, blake2b-512",
        "imported[0].algorithm",
      ),
    ],
    [
      "with a field that is none",
      "name: old, type: digest, algorithm: sha256, salt: x",
      fault("is not a known field", "imported[0].salt"),
    ],
    [
      "with a HMAC without secret",
      "name: old, type: digest, algorithm: hmac-sha256",
      fault("is missing", "imported[0].secret"),
    ],
    [
      "with a short secret for a HMAC",
      hmac(base64(15)),
      fault("must be 16 random bytes or more", "imported[0].secret"),
    ],
    ["with an empty secret for a HMAC", hmac('""'), fault("must be 16 random bytes or more", "imported[0].secret")],
    ["with a secret that is not base64", hmac("'s3cret s3cret'"), fault("must be base64", "imported[0].secret")],
    [
      "with a secret for a hash without one",
      `name: old, type: digest, algorithm: sha512, secret: ${base64(16)}`,
      fault("has no meaning for this algorithm", "imported[0].secret"),
    ],
    [
      "with a secret that is too long for BLAKE2b",
      `name: old, type: digest, algorithm: blake2b-256, secret: ${base64(65)}`,
      fault("must have 64 bytes at most for this algorithm", "imported[0].secret"),
    ],
    [
      "with a short secret for HS256",
      hs256(base64(31)),
      fault("must be 32 random bytes or more", "imported[0].secret"),
    ],
    ["with an empty secret for HS256", hs256('""'), fault("must be 32 random bytes or more", "imported[0].secret")],
    [
      "without a secret for HS256",
      "name: old, type: jwt, algorithm: HS256",
      fault("needs a secret for this algorithm, and neither jwks nor jwks_file"),
    ],
    [
      "with public keys for HS256",
      `${hs256(base64(32))}, ${jwks}`,
      fault("needs a secret for this algorithm, and neither jwks nor jwks_file"),
    ],
    [
      "with a secret for EdDSA",
      `name: old, type: jwt, algorithm: EdDSA, secret: ${base64(32)}`,
      fault("needs exactly one of jwks and jwks_file for this algorithm, and no secret"),
    ],
    [
      "with two sets of keys",
      `name: old, type: jwt, algorithm: EdDSA, ${jwks}, jwks_file: x`,
      fault("needs exactly one of jwks and jwks_file for this algorithm, and no secret"),
    ],
    [
      "with an algorithm that is none",
      `name: old, type: jwt, algorithm: none, ${jwks}`,
      fault(
        "must be one of HS256, HS384, HS512, EdDSA, Ed25519, ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512",
        "imported[0].algorithm",
      ),
    ],
    [
      "with an empty issuer",
      `name: old, type: jwt, issuer: "", algorithm: EdDSA, ${jwks}`,
      fault("must not be empty", "imported[0].issuer"),
    ],
    [
      "with a private key",
      `name: old, type: jwt, algorithm: EdDSA, jwks: ${jwksOf(jwk(ed25519.privateKey))}`,
      fault("is a private key: only its public part belongs here", "imported[0].jwks.keys[0]"),
    ],
    [
      "with a shared secret among the public keys",
      `name: old, type: jwt, algorithm: EdDSA, jwks: ${jwksOf({ kty: "oct", k: "s3cret" })}`,
      fault("must be RSA, EC or OKP", "imported[0].jwks.keys[0].kty"),
    ],
    [
      "with no key for its algorithm",
      `name: old, type: jwt, algorithm: RS256, ${jwks}`,
      fault("holds no key for this algorithm", "imported[0].jwks"),
    ],
  ])("%s", (_, entry, expected) => {
    const path = write(entry);
    const faults = faultsOf(() => readKeysFile(path));
    expect(faults).toContain(expected);
    expect(faults.every((line) => line.startsWith("keys.yaml:3: imported[0]"))).toBe(true);
    expect(errorOf(() => readKeysFile(path)).message).not.toMatch(/s3cret|BwcHBwcH/);
  });

  test("with all faults of all of them at once", () => {
    const digest = "name: old, type: digest, algorithm: sha256";
    const faults = faultsOf(() => read(digest, "name: x, type: digest, algorithm: md5, secret: x", hs256('""')));
    expect(faults).toEqual([
      "keys.yaml:2: imported: names a source twice",
      expect.stringMatching(/^keys\.yaml:4: imported\[1\]\.algorithm: /),
      fault("must be base64", "imported[1].secret", 4),
      fault("must be 32 random bytes or more", "imported[2].secret", 5),
    ]);
  });

  test("with the faults of all files of keys that are named", () => {
    const folder = makeFolder();
    const path = join(folder, "keys.yaml");
    writeFileSync(join(folder, "private.json"), jwksOf(jwk(p256.privateKey)));
    writeFileSync(join(folder, "other.json"), jwksOf(jwk(p384.publicKey)));
    const entries = ["missing", "private", "other"].map(
      (name) => `  - { name: ${name}, type: jwt, algorithm: ES256, jwks_file: ${name}.json }\n`,
    );
    writeFileSync(path, `${KEYS}imported:\n${entries.join("")}`);
    expect(faultsOf(() => readKeysFile(path))).toEqual([
      "missing.json: can't be read (ENOENT)",
      "private.json:1: keys[0]: is a private key: only its public part belongs here",
      "other.json: holds no key for ES256",
    ]);
  });
});
