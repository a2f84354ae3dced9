import { createHmac } from "node:crypto";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeBase62 } from "../../src/domain/base62.ts";
import { builtInKinds } from "../../src/domain/kinds.ts";
import { digestSecret, idOfSecret, isId, matchesSecret, mintSecret } from "../../src/domain/secret.ts";
import { keyRing, tokenOf } from "./world.ts";

const keys = keyRing(1);
const prefixes = fc.constantFrom(...[...builtInKinds.values()].map((kind) => kind.prefix), "ab", "a1_b2_c3");
const tags = fc.stringMatching(/^[0-9A-Za-z]{3}$/);
const minted = fc.tuple(prefixes, tags).map(([prefix, tag]) => mintSecret(prefix, tag));

/** A secret, whose record the store would have, and another text that is nearly it. */
function isAccepted(original: string, text: string): boolean {
  const token = tokenOf({ digests: [digestSecret(keys, original)] });
  return idOfSecret(text) !== undefined && matchesSecret(keys, token, text);
}

describe("a minted secret", () => {
  test("has the form <prefix>_<id><secret part><checksum>, and its id begins with the shard tag", () => {
    fc.assert(
      fc.property(prefixes, tags, (prefix, tag) => {
        const { id, secret } = mintSecret(prefix, tag);
        expect(secret).toMatch(new RegExp(`^${prefix}_${id}[0-9A-Za-z]{32}[0-9A-Za-z]{6}$`));
        expect(id).toMatch(new RegExp(`^${tag}[0-9A-Za-z]{16}$`));
        expect(idOfSecret(secret)).toBe(id);
        expect(isId(id)).toBe(true);
      }),
    );
  });

  test("ends with the CRC32 of all that stands before", () => {
    const { secret } = mintSecret("lk_pat", "abc");
    expect(secret.slice(-6)).toBe(encodeBase62(crc32(secret.slice(0, -6)), 6));
  });

  test("has 95 random bits in its id and 190 in its secret part", () => {
    const { id, secret } = mintSecret("lk_pat", "abc");
    const bits = Math.log2(62);
    const secretPart = secret.slice("lk_pat_".length + id.length, -6);
    expect((id.length - "abc".length) * bits).toBeGreaterThanOrEqual(95);
    expect(secretPart.length * bits).toBeGreaterThanOrEqual(190);
  });

  test("differs from every other in both of its random parts", () => {
    const many = Array.from({ length: 1000 }, () => mintSecret("lk_pat", "abc"));
    expect(new Set(many.map(({ id }) => id)).size).toBe(1000);
    expect(new Set(many.map(({ secret }) => secret.slice(-38, -6))).size).toBe(1000);
  });

  test("has a hint that tells its prefix and eight characters of its public id, and no more", () => {
    fc.assert(
      fc.property(prefixes, tags, (prefix, tag) => {
        const { id, hint } = mintSecret(prefix, tag);
        expect(hint).toBe(`${prefix}_${id.slice(0, 8)}`);
      }),
    );
  });
});

describe("a text that is not the secret is refused", () => {
  const refusedAfter = (name: string, change: (secret: string, random: number) => string) =>
    test(name, () => {
      fc.assert(
        fc.property(minted, fc.nat(), ({ secret }, random) => {
          const text = change(secret, random);
          fc.pre(text !== secret);
          expect(isAccepted(secret, text)).toBe(false);
        }),
        { numRuns: 500 },
      );
    });

  refusedAfter("after any truncation at its end", (secret, random) => secret.slice(0, random % secret.length));
  refusedAfter("after any truncation at its beginning", (secret, random) => secret.slice(1 + (random % secret.length)));
  refusedAfter("without any one of its characters", (secret, random) => splice(secret, random % secret.length, 1, ""));
  refusedAfter("with one of its characters twice", (secret, random) => {
    const at = random % secret.length;
    return splice(secret, at, 0, secret.charAt(at));
  });
  refusedAfter("with two neighbours in each other's place", (secret, random) => {
    const at = random % (secret.length - 1);
    return splice(secret, at, 2, secret.charAt(at + 1) + secret.charAt(at));
  });
  refusedAfter("with a letter in the other case", (secret, random) => {
    const at = random % secret.length;
    const letter = secret.charAt(at);
    return splice(secret, at, 1, letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase());
  });
  refusedAfter("in lower case", (secret) => secret.toLowerCase());
  refusedAfter("in upper case", (secret) => secret.toUpperCase());

  test("with any other character at any place", () => {
    fc.assert(
      fc.property(
        minted,
        fc.nat(),
        fc.string({ minLength: 1, maxLength: 1, unit: "binary" }),
        ({ secret }, random, other) => {
          const text = splice(secret, random % secret.length, 1, other);
          fc.pre(text !== secret);
          expect(idOfSecret(text)).toBeUndefined();
        },
      ),
      { numRuns: 500 },
    );
  });

  test("with any character put in at any place", () => {
    fc.assert(
      fc.property(
        minted,
        fc.nat(),
        fc.string({ minLength: 1, maxLength: 1, unit: "binary" }),
        ({ secret }, random, other) => {
          expect(isAccepted(secret, splice(secret, random % (secret.length + 1), 0, other))).toBe(false);
        },
      ),
      { numRuns: 500 },
    );
  });

  test.each([" ", "\t", "\n", "\r\n", "\u00a0", "\u200b", "\ufeff", "\0"])(
    "with white space %j around or within it",
    (space) => {
      const { secret } = mintSecret("lk_pat", "abc");
      for (const text of [space + secret, secret + space, splice(secret, 20, 0, space)]) {
        expect(idOfSecret(text)).toBeUndefined();
      }
    },
  );

  test("whatever it is, if it was not minted", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void expect(idOfSecret(text)).toBeUndefined()));
    for (const text of ["", "_", "lk_pat_", "undefined", "eyJhbGciOiJub25lIn0.e30."]) {
      expect(idOfSecret(text)).toBeUndefined();
    }
  });

  test("quickly, however long it is", () => {
    const start = performance.now();
    expect(idOfSecret("a_".repeat(4096))).toBeUndefined();
    expect(idOfSecret("a".repeat(8192))).toBeUndefined();
    expect(performance.now() - start).toBeLessThan(1000);
  });

  test("with any of its last characters changed, before the store is asked", () => {
    fc.assert(
      fc.property(minted, fc.nat({ max: 37 }), ({ secret }, back) => {
        const at = secret.length - 1 - back;
        expect(idOfSecret(splice(secret, at, 1, secret[at] === "0" ? "1" : "0"))).toBeUndefined();
      }),
    );
  });

  test("with a right checksum, if its secret part is another one", () => {
    const { secret } = mintSecret("lk_pat", "abc");
    const body = `${secret.slice(0, -7)}${secret.at(-7) === "0" ? "1" : "0"}`;
    const forged = body + encodeBase62(crc32(body), 6);
    expect(idOfSecret(forged)).toBeDefined();
    expect(isAccepted(secret, forged)).toBe(false);
  });

  test("with a right checksum, if it claims another kind's prefix", () => {
    const { secret } = mintSecret("lk_pat", "abc");
    const body = secret.slice(0, -6).replace("lk_pat", "lk_svc");
    expect(isAccepted(secret, body + encodeBase62(crc32(body), 6))).toBe(false);
  });
});

describe("what is kept of a secret", () => {
  const { secret } = mintSecret("lk_pat", "abc");

  test("is its HMAC-SHA-256 under the current key, with that key's version", () => {
    const ring = keyRing(7, 3);
    const digest = createHmac("sha256", ring.current.digest).update(secret).digest();
    expect(digestSecret(ring, secret)).toEqual({ keyVersion: 7, digest });
  });

  test("still matches while its key is retiring, and no longer when the key is gone", () => {
    const token = tokenOf({ digests: [digestSecret(keyRing(1), secret)] });
    expect(matchesSecret(keyRing(2, 1), token, secret)).toBe(true);
    expect(matchesSecret(keyRing(2), token, secret)).toBe(false);
  });

  test("does not match under another key of the same version", () => {
    const { digest } = digestSecret(keyRing(2), secret);
    expect(matchesSecret(keyRing(1), tokenOf({ digests: [{ keyVersion: 1, digest }] }), secret)).toBe(false);
  });

  test("may be several digests, any of which matches", () => {
    const other = mintSecret("lk_pat", "abc").secret;
    const token = tokenOf({ digests: [digestSecret(keys, other), digestSecret(keys, secret)] });
    expect(matchesSecret(keys, token, secret)).toBe(true);
    expect(matchesSecret(keys, token, other)).toBe(true);
    expect(matchesSecret(keys, token, mintSecret("lk_pat", "abc").secret)).toBe(false);
  });

  test.each([
    ["no token at all", undefined],
    ["a token without digests", tokenOf()],
    ["a digest of zeros", tokenOf({ digests: [{ keyVersion: 1, digest: new Uint8Array(32) }] })],
    ["an empty digest", tokenOf({ digests: [{ keyVersion: 1, digest: new Uint8Array() }] })],
    [
      "a digest that was cut",
      tokenOf({ digests: [{ keyVersion: 1, digest: digestSecret(keys, secret).digest.slice(0, 31) }] }),
    ],
  ])("is never matched by %s", (_, token) => {
    expect(matchesSecret(keys, token, secret)).toBe(false);
  });
});

describe("an id", () => {
  test.each([
    ["abcABCDEFGHIJKLMNOP", true],
    ["abcABCDEFGHIJKLMNO", false],
    ["abcABCDEFGHIJKLMNOPQ", false],
    ["abcABCDEFGHIJKLMNO_", false],
    ["abcABCDEFGHIJKLMNOP\n", false],
    ["lk:t:{abc}:ABCDEFGH", false],
    ["", false],
  ])("%j: %s", (text, expected) => {
    expect(isId(text)).toBe(expected);
  });
});

function splice(text: string, start: number, remove: number, insert: string): string {
  return text.slice(0, start) + insert + text.slice(start + remove);
}
