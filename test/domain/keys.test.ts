import { createHash, createHmac, hkdfSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { createKeyRing, fingerprintsOf } from "../../src/domain/keys.ts";
import { digestSecret, matchesSecret } from "../../src/domain/secret.ts";
import { keyRing, serviceKey, tokenOf } from "./world.ts";

// HKDF by hand (RFC 5869): an empty salt is a key of zeros, and one block of 32 bytes is all that is asked for.
function deriveByHand(secret: Uint8Array, purpose: string): Buffer {
  const extracted = createHmac("sha256", Buffer.alloc(32)).update(secret).digest();
  return createHmac("sha256", extracted).update(`latchkey/${purpose}`).update(Buffer.of(1)).digest();
}

describe("a service key", () => {
  const secret = Buffer.from("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "hex");
  const { current } = createKeyRing([{ version: 1, secret }]);

  test("gives the same keys for ever, or every token would be lost with an upgrade", () => {
    expect(current.digest.export().toString("hex")).toBe(
      "ee8cdefc1159f225cbcd26edefcd05b4e34ab071ea7fdb98e25651436ca5b647",
    );
    expect(current.pageToken.export().toString("hex")).toBe(
      "fd39649d2bdded31306d491507f8ac6af057a4c38456b2201a9e0e335d25aca0",
    );
    expect(current.fingerprint).toBe("pWN29LyQC48VgbCjQy5z4dA-icJn8-lH4jp85qXuSVA");
  });

  test("is never used itself: each purpose has a key derived with HKDF-SHA-256", () => {
    expect(current.digest.export()).toEqual(deriveByHand(secret, "digest"));
    expect(current.pageToken.export()).toEqual(deriveByHand(secret, "page-token"));
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
    expect(other.digest.equals(current.digest)).toBe(false);
    expect(other.pageToken.equals(current.pageToken)).toBe(false);
    expect(other.fingerprint).not.toBe(current.fingerprint);
  });
});

describe("a key ring", () => {
  test("makes digests with the first key and checks those of all", () => {
    const ring = createKeyRing([serviceKey(5), serviceKey(9), serviceKey(2)]);
    expect(ring.current.version).toBe(5);
    expect(digestSecret(ring, "secret").keyVersion).toBe(5);
    for (const version of [5, 9, 2] as const) {
      const token = tokenOf({ digests: [digestSecret(keyRing(version), "secret")] });
      expect(matchesSecret(ring, token, "secret")).toBe(true);
    }
  });

  test("tells its fingerprints with the current one first, whatever the order of the versions", () => {
    const fingerprintOf = (version: number) => keyRing(version).current.fingerprint;
    expect(fingerprintsOf(keyRing(5, 9, 2))).toEqual([5, 9, 2].map(fingerprintOf));
    expect(fingerprintsOf(keyRing(1))).toEqual([fingerprintOf(1)]);
  });
});
