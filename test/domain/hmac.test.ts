import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TextHmac } from "../../src/domain/hmac.ts";

const anyKey = fc.uint8Array({ maxLength: 64 });
const anyText = fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme-ascii", maxLength: 300 }));

const nodes = (key: Uint8Array, text: string) => createHmac("sha256", key).update(text).digest();

describe("the HMAC of a text", () => {
  test("is that of Node, for texts of all lengths one after the other", () => {
    fc.assert(
      fc.property(anyKey, fc.array(anyText, { minLength: 1 }), (key, texts) => {
        const hmac = new TextHmac(key);
        const found = texts.map((text) => hmac.of(text));
        expect(found).toStrictEqual(texts.map((text) => nodes(key, text)));
      }),
    );
  });

  test("is that of RFC 4231, also of a text as long as requests may be", () => {
    const hmac = new TextHmac(Buffer.from("Jefe"));
    expect(hmac.of("what do ya want for nothing?").toString("hex")).toBe(
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
    const long = "ü€".repeat(300_000);
    expect(hmac.of(long)).toStrictEqual(nodes(Buffer.from("Jefe"), long));
  });

  test("is recognised, and none that differs in any bit or in length", () => {
    const hmac = new TextHmac(Buffer.alloc(32, 7));
    const digest = hmac.of("a secret");
    expect(hmac.is(digest, "a secret")).toBe(true);
    expect(hmac.is(digest, "a Secret")).toBe(false);
    for (let bit = 0; bit < 256; bit++) {
      const other = Buffer.from(digest);
      other.writeUInt8(other.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(hmac.is(other, "a secret")).toBe(false);
    }
    expect(hmac.is(digest.subarray(0, 31), "a secret")).toBe(false);
    expect(hmac.is(Buffer.concat([digest, Buffer.of(0)]), "a secret")).toBe(false);
    expect(hmac.is(new Uint8Array(0), "a secret")).toBe(false);
  });

  test("needs a key that fits into a block", () => {
    expect(() => new TextHmac(new Uint8Array(65))).toThrow(new RangeError("an HMAC key is longer than a block"));
  });
});
