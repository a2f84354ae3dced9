import type { JsonObject } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeRecord, encodeRecord, versionBytes } from "../../src/store/record.ts";
import { encodeProtobufRecord, newOwner, newToken } from "./tokens.ts";

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
  lastUsedTime: maybe(fc.integer({ min: 0, max: Date.UTC(10_000, 0) })),
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
        expect(decodeRecord(any.id, encodeRecord(any))).toEqual(any);
      }),
    );
  });

  it("gives back what follows from the id and the owner, and what only looks like it", () => {
    for (const id of ["0Azabcdefghij", "short", ""]) {
      for (const hint of ["", "lk_", `lk_${id.slice(0, 8)}`, id.slice(0, 8), `${id}x`]) {
        for (const creator of ["root", "a/b", "a/b/c", ""]) {
          const any = { ...token, id, hint, creator, tenant: "a", subject: "b" };
          expect(decodeRecord(id, encodeRecord(any))).toEqual(any);
        }
      }
    }
  });

  it("gives back lives of either sign, in whole minutes and in odd milliseconds", () => {
    for (const life of [0, 1, -1, 31, 32, 59_999, 60_000, -60_000, 31 * 60_000, 32 * 60_000, 90 * 86_400_000, 4e15]) {
      const any = { ...token, expireTime: token.createTime + life, purgeTime: token.createTime - life };
      expect(decodeRecord(any.id, encodeRecord(any))).toEqual(any);
    }
  });

  it("takes 108 bytes for a token of 90 days with names of common length, used or not", () => {
    const usual = {
      ...token,
      tenant: "acme",
      subject: "user-0000001",
      hint: `lk_pat_${token.id.slice(0, 8)}`,
      scopes: ["repo:read"],
      expireTime: token.createTime + 90 * 86_400_000,
      purgeTime: token.createTime + 91 * 86_400_000,
    };
    for (const lastUsedTime of [undefined, Date.now()]) {
      expect(encodeRecord({ ...usual, lastUsedTime })).toHaveLength(108);
    }
  });

  it("of an earlier Latchkey is read", () => {
    fc.assert(
      fc.property(anyToken, (any) => {
        expect(decodeRecord(any.id, encodeProtobufRecord(any))).toEqual(any);
        expect(encodeProtobufRecord(any).subarray(0, 5)).toEqual(versionBytes(any.version));
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
    const bytes = encodeRecord({ ...token, claims: { a: 1 }, digests: [...token.digests, ...token.digests] });
    const cut = Array.from(bytes, (_, length) => bytes.subarray(0, length));
    const longer = Buffer.concat([bytes, Buffer.of(0)]);
    const ofAnotherStart = Buffer.concat([Buffer.of(0), bytes.subarray(1)]);
    const junk = [Buffer.from("junk"), encodeProtobufRecord(token).subarray(0, 40)];
    for (const damaged of [...cut, longer, ofAnotherStart, ...junk]) {
      expect(() => decodeRecord(token.id, damaged)).toThrow(
        expect.objectContaining({ reason: "STORE_UNAVAILABLE", message: "a stored record is damaged" }),
      );
    }
  });

  it("with a flag that only a newer Latchkey knows is an error", () => {
    const bytes = encodeRecord({ ...token, label: "x", audiences: ["a"], claims: {} });
    // The other flags take two bytes here, of which the last holds those from the thirteenth on.
    const newer = Buffer.from(bytes);
    expect(newer[13]).toBeLessThan(0x80);
    newer[13] = (newer[13] ?? 0) | 0x20;
    expect(() => decodeRecord(token.id, newer)).toThrow(expect.objectContaining({ reason: "STORE_UNAVAILABLE" }));
  });
});
