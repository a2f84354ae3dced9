import type { JsonObject } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkClaims } from "../../src/domain/claims.ts";
import { refusal, thrownBy } from "./world.ts";

/** An object whose JSON has exactly this many bytes. */
const ofBytes = (bytes: number, filling = "x"): JsonObject => {
  const rest = bytes - Buffer.byteLength('{"a":""}');
  return {
    a: filling.repeat(Math.floor(rest / Buffer.byteLength(filling))) + "x".repeat(rest % Buffer.byteLength(filling)),
  };
};

describe("claims are taken", () => {
  test.each<[string, JsonObject | undefined]>([
    ["if there are none", undefined],
    ["if they are empty", {}],
    [
      "of every type that JSON has",
      { text: "a", number: 1.5, yes: true, no: false, nothing: null, list: [1, ["b"]], object: { c: {} } },
    ],
    ["with text of any language", { clé: "日本語 👩‍👩‍👧 \u0000" }],
    ["with the numbers that JSON can hold", { max: Number.MAX_VALUE, min: Number.MIN_VALUE, negative: -1e-300 }],
    [
      "with names that mean something to JavaScript",
      JSON.parse('{"__proto__":{"admin":true},"constructor":1,"toJSON":2}'),
    ],
    ["up to 4 KiB of JSON", ofBytes(4096)],
    ["up to 4 KiB of JSON, counted in bytes", ofBytes(4096, "é")],
  ])("%s", (_, claims) => {
    expect(checkClaims(claims)).toBe(claims);
  });

  test("and come back from JSON exactly as they were sent", () => {
    const values = fc.jsonValue({ noUnicodeString: false }).filter((value) => !JSON.stringify(value).includes("-0"));
    fc.assert(
      fc.property(fc.dictionary(fc.string(), values, { maxKeys: 5 }), (claims) => {
        fc.pre(
          Buffer.byteLength(JSON.stringify(claims)) <= 4096 && Object.keys(claims).every((key) => key.isWellFormed()),
        );
        expect(JSON.stringify(JSON.parse(JSON.stringify(checkClaims(claims as JsonObject))))).toBe(
          JSON.stringify(claims),
        );
      }),
    );
  });
});

describe("claims are refused", () => {
  test.each<[string, JsonObject, string]>([
    ["a byte beyond 4 KiB of JSON", ofBytes(4097), "is 4097 bytes of JSON, more than 4096"],
    ["a byte beyond 4 KiB, counted in bytes", ofBytes(4097, "é"), "is 4097 bytes of JSON, more than 4096"],
    ["with a number that is none", { a: Number.NaN }, "holds text or a number that JSON can't hold"],
    ["with an infinite number", { a: [Number.NEGATIVE_INFINITY] }, "holds text or a number that JSON can't hold"],
    ["with half a character", { a: { b: ["\ud800"] } }, "holds text or a number that JSON can't hold"],
    ["with half a character in a name", { a: { "\udc00": 1 } }, "holds text or a number that JSON can't hold"],
  ])("%s", (_, claims, description) => {
    expect(thrownBy(() => checkClaims(claims))).toMatchObject({
      ...refusal("CLAIMS_INVALID", `claims: ${description}`),
      violations: [{ field: "claims", description }],
    });
  });
});
