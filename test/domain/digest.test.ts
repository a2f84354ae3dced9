import { createHmac, hkdfSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { findDigest, makeDigest, requireKeys } from "../../src/domain/digest.ts";
import type { SecretDigest } from "../../src/domain/token.ts";
import { keyRing, MINUTE, NOW, refusal, serviceKey, thrownBy, tokenOf } from "./world.ts";

const keys = keyRing(1);
const evidence = { source: "", material: "the secret" };
const digest = makeDigest(keys, evidence);

const find = (digests: readonly SecretDigest[], { ring = keys, asked = evidence, now = NOW } = {}) =>
  findDigest(ring, tokenOf({ digests }), asked, now);

describe("what is kept of a secret", () => {
  test("is its HMAC-SHA-256 under the current key, with that key's version and whose system made it", () => {
    const ring = keyRing(7, 3);
    const key = Buffer.from(hkdfSync("sha256", serviceKey(7).secret, "", "latchkey/digest", 32));
    const bytes = createHmac("sha256", key).update("the secret").digest();
    expect(makeDigest(ring, { source: "old", material: "the secret" })).toStrictEqual({
      keyVersion: 7,
      digest: bytes,
      source: "old",
      until: undefined,
      pendingGrace: undefined,
    });
  });

  test("still fits while its key is retiring, and no longer when the key is gone", () => {
    expect(find([digest], { ring: keyRing(2, 1) })).toBe(digest);
    expect(find([digest], { ring: keyRing(2) })).toBeUndefined();
  });

  test("does not fit under another key of the same version", () => {
    expect(find([{ ...makeDigest(keyRing(2), evidence), keyVersion: 1 }])).toBeUndefined();
  });

  test("may be several digests, of which the one that fits is found", () => {
    const other = makeDigest(keys, { source: "", material: "another secret" });
    expect(find([other, digest])).toBe(digest);
    expect(find([digest, other])).toBe(digest);
    expect(find([digest, other], { asked: { source: "", material: "another secret" } })).toBe(other);
    expect(find([digest, other], { asked: { source: "", material: "a third secret" } })).toBeUndefined();
  });

  test("counts until its end, and not at that moment", () => {
    const ending = { ...digest, until: NOW + MINUTE };
    expect(find([ending], { now: NOW + MINUTE - 1 })).toBe(ending);
    expect(find([ending], { now: NOW + MINUTE })).toBeUndefined();
  });

  test("counts while its first use is still to come", () => {
    const pending = { ...digest, pendingGrace: MINUTE };
    expect(find([pending])).toBe(pending);
  });

  test("fits only what comes from the same system: what one calls a digest may be the secret of another", () => {
    const imported = { ...digest, source: "old" };
    expect(find([imported])).toBeUndefined();
    expect(find([imported], { asked: { source: "new", material: "the secret" } })).toBeUndefined();
    expect(find([digest], { asked: { source: "old", material: "the secret" } })).toBeUndefined();
    expect(find([imported], { asked: { source: "old", material: "the secret" } })).toBe(imported);
  });

  test.each([
    ["no token at all", undefined],
    ["a token without digests", tokenOf()],
    ["a digest of zeros", tokenOf({ digests: [{ ...digest, digest: new Uint8Array(32) }] })],
    ["an empty digest", tokenOf({ digests: [{ ...digest, digest: new Uint8Array() }] })],
    ["a digest that was cut", tokenOf({ digests: [{ ...digest, digest: digest.digest.slice(0, 31) }] })],
  ])("is never found in %s", (_, token) => {
    expect(findDigest(keys, token, evidence, NOW)).toBeUndefined();
  });
});

describe("an instance knows that it lacks a key", () => {
  const made = (...versions: [number, ...number[]]) =>
    tokenOf({ digests: versions.map((version) => makeDigest(keyRing(version), evidence)) });

  test("when any secret of a token was made with a newer one than it has", () => {
    for (const token of [made(2), made(1, 2), made(2, 1)]) {
      expect(thrownBy(() => requireKeys(keys, token))).toMatchObject({
        ...refusal("KEY_MISSING", "this instance lacks a service key that others have"),
        retryDelay: 1000,
      });
    }
  });

  test("and not when it was made with one that was taken away, or is not there", () => {
    for (const token of [made(1), made(2), made(3), undefined]) requireKeys(keyRing(1, 3), token);
  });
});
