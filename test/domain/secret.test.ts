import { createHmac, hkdfSync } from "node:crypto";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeBase62, randomBase62 } from "../../src/domain/base62.ts";
import { findDigest, makeDigest } from "../../src/domain/digest.ts";
import { builtInKinds } from "../../src/domain/kinds.ts";
import { hintOf, idOfSecret, isId, makeId, makeSecret, tagOf, wasMadeHere } from "../../src/domain/secret.ts";
import { keyRing, NOW, serviceKey, tokenOf } from "./world.ts";

const keys = keyRing(1);
const opaque = [...builtInKinds.values()].filter(({ format }) => format === "opaque");
const prefixes = fc.constantFrom(...opaque.map((kind) => kind.prefix), "ab", "a1_b2_c3");
const tags = fc.stringMatching(/^[0-9A-Za-z]{3}$/);
const minted = fc.tuple(prefixes, tags).map(([prefix, tag]) => mint(prefix, tag));

function mint(prefix = "lk_pat", tag = "abc", ring = keys) {
  const id = makeId(tag, randomBase62);
  return { id, secret: makeSecret(ring, prefix, id, randomBase62) };
}

/** A secret, whose record the store would have, and another text that is nearly it. */
function isAccepted(original: string, text: string): boolean {
  const token = tokenOf({ digests: [makeDigest(keys, { source: "", material: original })] });
  return idOfSecret(text) !== undefined && findDigest(keys, token, { source: "", material: text }, NOW) !== undefined;
}

test("a secret of the first installations, which has no proof, is one still, but not known as made here", () => {
  const { id, secret } = mint();
  const body = secret.slice(0, -14);
  const first = body + encodeBase62(crc32(body), 6);
  expect(idOfSecret(first)).toBe(id);
  expect(wasMadeHere(keys, first)).toBe(false);
});

describe("a new secret", () => {
  test("has the form <prefix>_<id><secret part><proof><checksum>, and its id begins with the shard tag", () => {
    fc.assert(
      fc.property(prefixes, tags, (prefix, tag) => {
        const { id, secret } = mint(prefix, tag);
        expect(secret).toMatch(new RegExp(`^${prefix}_${id}[0-9A-Za-z]{32}[0-9A-Za-z]{8}[0-9A-Za-z]{6}$`));
        expect(id).toMatch(new RegExp(`^${tag}[0-9A-Za-z]{16}$`));
        expect(idOfSecret(secret)).toBe(id);
        expect(isId(id)).toBe(true);
        expect(tagOf(id)).toBe(tag);
      }),
    );
  });

  test("ends with the CRC32 of all that stands before", () => {
    const { secret } = mint();
    expect(secret.slice(-6)).toBe(encodeBase62(crc32(secret.slice(0, -6)), 6));
  });

  test("has 95 random bits in its id and 190 in its secret part", () => {
    const { id, secret } = mint();
    const bits = Math.log2(62);
    const secretPart = secret.slice("lk_pat_".length + id.length, -14);
    expect((id.length - "abc".length) * bits).toBeGreaterThanOrEqual(95);
    expect(secretPart.length * bits).toBeGreaterThanOrEqual(190);
  });

  test("differs from every other in both of its random parts", () => {
    const many = Array.from({ length: 1000 }, () => mint());
    expect(new Set(many.map(({ id }) => id)).size).toBe(1000);
    expect(new Set(many.map(({ secret }) => secret.slice(-46, -14))).size).toBe(1000);
  });

  test("has a hint that tells its prefix and eight characters of its public id, and no more", () => {
    fc.assert(
      fc.property(prefixes, tags, (prefix, tag) => {
        const { id, secret } = mint(prefix, tag);
        expect(hintOf(prefix, id)).toBe(secret.slice(0, prefix.length + 1 + 8));
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
      const { secret } = mint();
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

  test("with a right checksum, if it has another form", () => {
    const form = /^[a-z][a-z0-9_]*_([0-9A-Za-z]{19})[0-9A-Za-z]{32}(?:[0-9A-Za-z]{8})?[0-9A-Za-z]{6}$/;
    const other = fc.constantFrom("", "_", "A", "é", "-", "\n", "0", "a_", "x".repeat(8));
    const change = fc.tuple(fc.nat(), fc.nat(8), other);
    const start = fc.constantFrom("", "_", "a", "A", "1", "lk-", "é");
    fc.assert(
      fc.property(minted, start, fc.array(change, { maxLength: 2 }), ({ secret }, prefix, changes) => {
        const body = changes.reduce(
          (text, [random, count, put]) => splice(text, random % text.length, count, put),
          prefix + secret.slice(0, -6),
        );
        const text = withChecksum(body);
        expect(idOfSecret(text)).toBe(form.exec(text)?.[1]);
      }),
      { numRuns: 2000 },
    );
  });

  test("quickly, however long it is", () => {
    const start = performance.now();
    expect(idOfSecret("a_".repeat(4096))).toBeUndefined();
    expect(idOfSecret("a".repeat(8192))).toBeUndefined();
    expect(performance.now() - start).toBeLessThan(1000);
  });

  test("with any of its last characters changed, before the store is asked", () => {
    fc.assert(
      fc.property(minted, fc.nat({ max: 45 }), ({ secret }, back) => {
        const at = secret.length - 1 - back;
        expect(idOfSecret(splice(secret, at, 1, secret[at] === "0" ? "1" : "0"))).toBeUndefined();
      }),
    );
  });

  test("with a right checksum, if its secret part is another one", () => {
    const { secret } = mint();
    const forged = withChecksum(`${secret.slice(0, -15)}${secret.at(-15) === "0" ? "1" : "0"}${secret.slice(-14, -6)}`);
    expect(idOfSecret(forged)).toBeDefined();
    expect(isAccepted(secret, forged)).toBe(false);
  });

  test("with a right checksum, if it claims another kind's prefix", () => {
    const { secret } = mint();
    expect(isAccepted(secret, withChecksum(secret.slice(0, -6).replace("lk_pat", "lk_svc")))).toBe(false);
  });
});

describe("whether a secret was made here", () => {
  test("is told by the key that it was made with, also when that one retires, and by no other", () => {
    const { secret } = mint("lk_pat", "abc", keyRing(3));
    for (const ring of [keyRing(3), keyRing(4, 3), keyRing(3, 4)]) expect(wasMadeHere(ring, secret)).toBe(true);
    for (const ring of [keyRing(4), keyRing(4, 5)]) expect(wasMadeHere(ring, secret)).toBe(false);
  });

  test("is proven by a HMAC over all that stands before, as a number below 62^8", () => {
    const { secret } = mint();
    const [body, proof] = [secret.slice(0, -14), secret.slice(-14, -6)];
    const key = Buffer.from(hkdfSync("sha256", serviceKey(1).secret, "", "latchkey/proof", 32));
    const digest = createHmac("sha256", key).update(body).digest();
    expect(proof).toBe(encodeBase62(digest.readUIntBE(0, 6) % 62 ** 8, 8));
  });

  test("can't be made up: not with another random part, another id or another kind under the proof of a good one", () => {
    fc.assert(
      fc.property(minted, fc.nat(), ({ secret }, random) => {
        expect(wasMadeHere(keys, secret)).toBe(true);
        const body = secret.slice(0, -6);
        const at = random % body.length;
        const forged = withChecksum(splice(body, at, 1, body[at] === "a" ? "b" : "a"));
        expect(wasMadeHere(keys, forged)).toBe(false);
      }),
    );
  });

  test("is not told by a proof of random characters", () => {
    const body = mint().secret.slice(0, -14);
    const forged = Array.from({ length: 1000 }, () => withChecksum(body + randomBase62(8)));
    expect(forged.filter((secret) => wasMadeHere(keys, secret))).toEqual([]);
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

function withChecksum(body: string): string {
  return body + encodeBase62(crc32(body), 6);
}

function splice(text: string, start: number, remove: number, insert: string): string {
  return text.slice(0, start) + insert + text.slice(start + remove);
}
