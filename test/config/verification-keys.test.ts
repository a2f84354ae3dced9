import { generateKeyPairSync } from "node:crypto";
import type { JWK } from "jose";
import { describe, expect, test } from "vitest";
import { keysFor } from "../../src/config/verification-keys.ts";

const curve = (namedCurve: string) => generateKeyPairSync("ec", { namedCurve }).publicKey;
const PUBLIC_KEYS = {
  ed25519: generateKeyPairSync("ed25519").publicKey,
  ed448: generateKeyPairSync("ed448").publicKey,
  p256: curve("P-256"),
  p384: curve("P-384"),
  p521: curve("P-521"),
  rsa: generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey,
};
const SET = {
  keys: Object.entries(PUBLIC_KEYS).map(([kid, key]) => ({ ...(key.export({ format: "jwk" }) as JWK), kid })),
};

function kidsFor(algorithm: string, about: object = {}) {
  return keysFor(algorithm, { keys: SET.keys.map((key) => ({ ...key, ...about })) }).map(({ kid }) => kid);
}

describe("of a set, those keys count that are of the type that the algorithm takes", () => {
  test.each([
    ["EdDSA", ["ed25519"]],
    ["Ed25519", ["ed25519"]],
    ["ES256", ["p256"]],
    ["ES384", ["p384"]],
    ["ES512", ["p521"]],
    ["RS256", ["rsa"]],
    ["PS512", ["rsa"]],
  ])("%s: %j", (algorithm, kids) => {
    expect(kidsFor(algorithm)).toEqual(kids);
    const [found] = keysFor(algorithm, SET);
    expect(found?.key.equals(PUBLIC_KEYS[kids[0] as keyof typeof PUBLIC_KEYS])).toBe(true);
  });
});

describe("what a key says of itself counts too:", () => {
  test.each<[object, boolean]>([
    [{ alg: "RS256" }, true],
    [{ alg: "RS384" }, false],
    [{ use: "sig" }, true],
    [{ use: "enc" }, false],
    [{ key_ops: ["verify"] }, true],
    [{ key_ops: ["encrypt", "wrapKey"] }, false],
  ])("%j", (about, fits) => {
    expect(kidsFor("RS256", about)).toEqual(fits ? ["rsa"] : []);
  });

  test("the two names of Ed25519 are one", () => {
    expect(kidsFor("EdDSA", { alg: "Ed25519" })).toEqual(["ed25519"]);
    expect(kidsFor("Ed25519", { alg: "EdDSA" })).toEqual(["ed25519"]);
    expect(kidsFor("ES256", { alg: "EdDSA" })).toEqual([]);
  });

  test("a kid that is no text is none", () => {
    expect(kidsFor("RS256", { kid: 7 })).toEqual([undefined]);
    expect(kidsFor("RS256", { kid: undefined })).toEqual([undefined]);
  });
});
