import type { JsonObject } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeRecord, encodeRecord, versionBytes } from "../../src/store/record.ts";
import { newOwner, newToken } from "./tokens.ts";

const text = fc.string({ unit: "grapheme", maxLength: 30 });
const time = fc.integer({ min: 0, max: 8_640_000_000_000_000 });
const count = fc.integer({ min: 1, max: 0xffffffff });
const json = fc
  .jsonValue({ noUnicodeString: false })
  .map((value) => JSON.parse(JSON.stringify({ value })) as JsonObject);
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

const anyToken = fc.record({
  version: count,
  revision: count,
  id: text,
  tenant: text,
  subject: text,
  kind: text,
  label: text,
  hint: text,
  scopes: fc.array(text),
  audiences: fc.array(text),
  claims: maybe(json),
  clientId: text,
  parentId: text,
  creator: text,
  createTime: time,
  expireTime: maybe(time),
  purgeTime: maybe(time),
  lastUsedTime: maybe(time),
  idleTimeout: maybe(time),
  active: fc.boolean(),
  usesLeft: maybe(fc.integer({ min: 0, max: 0x7fffffff })),
  digests: fc.array(
    fc.record({
      keyVersion: count,
      digest: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      source: text,
      until: maybe(time),
      pendingGrace: maybe(time),
    }),
  ),
  holdsLabel: fc.boolean(),
  holdsPlace: fc.boolean(),
});

const token = newToken({ shardTag: () => "000" }, newOwner());

describe("a record", () => {
  it("gives back every token as it was", () => {
    fc.assert(
      fc.property(anyToken, (any) => {
        expect(decodeRecord(encodeRecord(any))).toEqual(any);
      }),
    );
  });

  it("has the same bytes for the same token, and begins with its version", () => {
    fc.assert(
      fc.property(anyToken, (any) => {
        expect(encodeRecord(structuredClone(any))).toEqual(encodeRecord(any));
        expect(encodeRecord(any).subarray(0, 5)).toEqual(versionBytes(any.version));
      }),
    );
  });

  it("that is damaged is an error, never another token", () => {
    for (const bytes of [Buffer.from("junk"), encodeRecord(token).subarray(0, 40)]) {
      expect(() => decodeRecord(bytes)).toThrow(expect.objectContaining({ reason: "STORE_UNAVAILABLE" }));
    }
  });
});
