import { createHash, createHmac, hkdfSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { findDigest, makeDigest } from "../../src/domain/digest.ts";
import { createKeyRing, fingerprintsOf, publicKeysOf } from "../../src/domain/keys.ts";
import { keyRing, NOW, serviceKey, tokenOf } from "./world.ts";

// HKDF by hand (RFC 5869): an empty salt is a key of zeros, and one block of 32 bytes is all that is asked for.
function deriveByHand(secret: Uint8Array, purpose: string): Buffer {
  const extracted = createHmac("sha256", Buffer.alloc(32)).update(secret).digest();
  return createHmac("sha256", extracted).update(`latchkey/${purpose}`).update(Buffer.of(1)).digest();
}

describe("a service key", () => {
  const secret = Buffer.from("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "hex");
  const { current } = createKeyRing([{ version: 1, secret }]);

  test("gives the same keys for ever, or every token would be lost with an upgrade", () => {
    const digest = Buffer.from("ee8cdefc1159f225cbcd26edefcd05b4e34ab071ea7fdb98e25651436ca5b647", "hex");
    expect(current.digest.of("a secret")).toEqual(createHmac("sha256", digest).update("a secret").digest());
    expect(current.pageToken.export().toString("hex")).toBe(
      "fd39649d2bdded31306d491507f8ac6af057a4c38456b2201a9e0e335d25aca0",
    );
    const proof = Buffer.from("c5c86cec663a870dcbd4cfd126fd9617f80e1b8141e0677897a376a801e40003", "hex");
    expect(current.proof.of("a secret")).toEqual(createHmac("sha256", proof).update("a secret").digest());
    expect(current.request.export().toString("hex")).toBe(
      "fcfef53828363572780a05ce7f4666e48caadc02ef13be6ddb9f231174cb5435",
    );
    expect(current.fingerprint).toBe("pWN29LyQC48VgbCjQy5z4dA-icJn8-lH4jp85qXuSVA");
    expect(current.signing.EdDSA.kid).toBe("g6tVYMOXLyBDJ7ut9pZqJmzaKaAJV5qEWVbDYy3iXEA");
    expect(current.signing.ES256.kid).toBe("7lKTaEV_rlhjGUtbQVnILCqva6NLfqLjiOVITr3_kjo");
  });

  test("is never used itself: each purpose has a key derived with HKDF-SHA-256", () => {
    const digest = createHmac("sha256", deriveByHand(secret, "digest")).update("a secret").digest();
    expect(current.digest.of("a secret")).toEqual(digest);
    expect(current.pageToken.export()).toEqual(deriveByHand(secret, "page-token"));
    const proof = createHmac("sha256", deriveByHand(secret, "proof")).update("a secret").digest();
    expect(current.proof.of("a secret")).toEqual(proof);
    expect(current.request.export()).toEqual(deriveByHand(secret, "request"));
    expect(Buffer.from(hkdfSync("sha256", secret, "", "latchkey/digest", 32))).toEqual(deriveByHand(secret, "digest"));
  });

  test("has a fingerprint that is the hash of a key of its own, and so tells nothing of the others", () => {
    const hash = createHash("sha256").update(deriveByHand(secret, "fingerprint")).digest("base64url");
    expect(current.fingerprint).toBe(hash);
  });

  test("differs in every derived key when one bit of it differs", () => {
    const flipped = Buffer.from(secret);
    flipped[31] = (flipped[31] as number) ^ 1;
    const other = createKeyRing([{ version: 1, secret: flipped }]).current;
    expect(other.digest.of("a secret")).not.toEqual(current.digest.of("a secret"));
    expect(other.pageToken.equals(current.pageToken)).toBe(false);
    expect(other.proof.of("a secret")).not.toEqual(current.proof.of("a secret"));
    expect(other.request.equals(current.request)).toBe(false);
    expect(other.fingerprint).not.toBe(current.fingerprint);
    expect(other.signing.EdDSA.kid).not.toBe(current.signing.EdDSA.kid);
    expect(other.signing.ES256.kid).not.toBe(current.signing.ES256.kid);
  });
});

describe("a key ring", () => {
  test("makes digests with the first key and checks those of all", () => {
    const ring = createKeyRing([serviceKey(5), serviceKey(9), serviceKey(2)]);
    expect(ring.current.version).toBe(5);
    const evidence = { source: "", material: "secret" };
    expect(makeDigest(ring, evidence).keyVersion).toBe(5);
    for (const version of [5, 9, 2] as const) {
      const digest = makeDigest(keyRing(version), evidence);
      expect(findDigest(ring, tokenOf({ digests: [digest] }), evidence, NOW)).toBe(digest);
    }
  });

  test("knows the highest version, which need not be the current one", () => {
    expect(keyRing(5, 9, 2).newest).toBe(9);
    expect(keyRing(1).newest).toBe(1);
  });

  test("tells its fingerprints with the current one first, whatever the order of the versions", () => {
    const fingerprintOf = (version: number) => keyRing(version).current.fingerprint;
    expect(fingerprintsOf(keyRing(5, 9, 2))).toEqual([5, 9, 2].map(fingerprintOf));
    expect(fingerprintsOf(keyRing(1))).toEqual([fingerprintOf(1)]);
  });

  test("publishes the public keys of all its keys, both of the current one first, and nothing else of them", () => {
    const ring = keyRing(5, 9, 2);
    const { keys } = publicKeysOf(ring);
    const expected = [5, 9, 2].flatMap((version) => {
      const { signing } = keyRing(version).current;
      return [signing.EdDSA.jwk, signing.ES256.jwk];
    });
    expect(keys).toEqual(expected);
    expect(new Set(keys.map(({ kid }) => kid)).size).toBe(6);
    const okp = { kty: "OKP", crv: "Ed25519", x: expect.any(String) };
    const ec = { kty: "EC", crv: "P-256", x: expect.any(String), y: expect.any(String) };
    for (const [index, key] of keys.entries()) {
      const [alg, shape] = index % 2 === 0 ? ["EdDSA", okp] : ["ES256", ec];
      expect(key).toStrictEqual({ ...shape, use: "sig", alg, kid: expect.stringMatching(/^[\w-]{43}$/) });
      expect(ring.signing.get(key.kid as string)?.jwk).toBe(key);
    }
  });
});
