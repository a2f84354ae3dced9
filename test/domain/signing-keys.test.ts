import { createECDH, createHash, createHmac, createPublicKey, hkdfSync, verify } from "node:crypto";
import { p256 } from "@noble/curves/nist.js";
import { calculateJwkThumbprint, type JWK } from "jose";
import { describe, expect, test } from "vitest";
import { keyRing, serviceKey } from "./world.ts";

const { EdDSA, ES256 } = keyRing(1).current.signing;
const derive = (purpose: string, length: number) =>
  Buffer.from(hkdfSync("sha256", serviceKey(1).secret, "", `latchkey/${purpose}`, length));

const ORDER = BigInt("0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
const toNumber = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
const toBytes = (number: bigint) => Buffer.from(number.toString(16).padStart(64, "0"), "hex");

/** FIPS 186-5, A.2.1: 48 bytes, so that no private key is likelier than another. */
const scalar = toBytes((toNumber(derive("sign-p256", 48)) % (ORDER - 1n)) + 1n);

/** By Node's curve, and not by the library that signs. */
function multiply(factor: Uint8Array): Buffer {
  const curve = createECDH("prime256v1");
  curve.setPrivateKey(factor);
  return curve.getPublicKey();
}

/** The number that RFC 6979, section 3.2, takes for a message where others take a random one. */
function nonceOf(key: Buffer, message: string): Buffer {
  const hash = toBytes(toNumber(createHash("sha256").update(message).digest()) % ORDER);
  const hmac = (secret: Buffer, ...parts: Uint8Array[]) =>
    createHmac("sha256", secret).update(Buffer.concat(parts)).digest();
  let [k, v] = [Buffer.alloc(32), Buffer.alloc(32, 1)];
  for (const step of [0, 1]) {
    k = hmac(k, v, Buffer.of(step), key, hash);
    v = hmac(k, v);
  }
  return hmac(k, v);
}

test("the Ed25519 key is the one whose seed HKDF gives, and signs as Node does", () => {
  const x = Buffer.from(EdDSA.jwk.x as string, "base64url");
  expect(x).toHaveLength(32);
  expect(
    verify(null, Buffer.from("text"), createPublicKey({ key: EdDSA.jwk, format: "jwk" }), EdDSA.sign("text")),
  ).toBe(true);
  expect(verify(null, Buffer.from("texts"), EdDSA.publicKey, EdDSA.sign("text"))).toBe(false);
  expect(Buffer.from(EdDSA.sign("text"))).toEqual(Buffer.from(EdDSA.sign("text")));
});

test("the P-256 key is the one that FIPS 186-5 makes of what HKDF gives", () => {
  const point = multiply(scalar);
  expect(ES256.jwk).toMatchObject({
    x: point.subarray(1, 33).toString("base64url"),
    y: point.subarray(33).toString("base64url"),
  });
});

describe("a signature with P-256", () => {
  test("takes the nonce of RFC 6979, so that it is the same for ever", () => {
    // The RFC's own example (A.2.5) first, for what is computed by hand here.
    const example = Buffer.from("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721", "hex");
    expect(nonceOf(example, "sample").toString("hex")).toBe(
      "a6e3c57dd01abe90086538398355dd4c3b17aa873382b0f24d6129493d8aad60",
    );
    for (const text of ["", "text", "eyJhbGciOiJFUzI1NiJ9.e30"]) {
      const signature = Buffer.from(ES256.sign(text));
      const { length } = signature;
      expect(length).toBe(64);
      expect(signature.subarray(0, 32)).toEqual(multiply(nonceOf(scalar, text)).subarray(1, 33));
    }
  });

  test("is good for Node, and is of the two good ones the one that counts", () => {
    const isGood = (signature: Uint8Array) =>
      verify("sha256", Buffer.from("text"), { key: ES256.publicKey, dsaEncoding: "ieee-p1363" }, signature);
    const signature = Buffer.from(ES256.sign("text"));
    const twin = Buffer.concat([signature.subarray(0, 32), toBytes(ORDER - toNumber(signature.subarray(32)))]);
    expect([signature, twin].map(isGood)).toEqual([true, true]);
    expect([signature, twin].map(ES256.isOwn)).toEqual([true, false]);
    expect(isGood(ES256.sign("texts"))).toBe(false);
  });
});

test.each([EdDSA, ES256])("a kid is the thumbprint of the public key (RFC 7638): $algorithm", async ({ jwk, kid }) => {
  expect(kid).toBe(await calculateJwkThumbprint(jwk as JWK));
  expect(jwk.kid).toBe(kid);
});

test("no private part is to be had from a signing key", () => {
  const text = JSON.stringify([EdDSA, ES256]);
  const secrets = [derive("sign-ed25519", 32), scalar, derive("sign-p256", 48), serviceKey(1).secret];
  for (const secret of secrets) {
    expect(text).not.toContain(Buffer.from(secret).toString("base64url"));
    expect(text).not.toContain(Buffer.from(secret).toString("hex"));
  }
  expect(EdDSA.publicKey.type).toBe("public");
  expect(ES256.publicKey.type).toBe("public");
  expect(p256.utils.isValidSecretKey(scalar)).toBe(true);
});
