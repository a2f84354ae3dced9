import { create, type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BatchIntrospectRequestSchema,
  GetRequestSchema,
  IntrospectRequestSchema,
} from "#gen/latchkey/v1/token_service_pb.ts";
import { decodeQuestion } from "../../src/wire/decode-question.ts";

const ascii = fc.oneof(fc.string({ unit: "binary-ascii" }), fc.constantFrom("", "x".repeat(130), "y".repeat(16_000)));
const anyText = fc.oneof(ascii, fc.string({ unit: "grapheme" }), fc.constant("z".repeat(17_000)));

const questionOf = (text: fc.Arbitrary<string>) =>
  fc.record({
    secret: text,
    scopes: fc.array(text, { maxLength: 5 }),
    audience: text,
    kinds: fc.array(text, { maxLength: 5 }),
    peek: fc.boolean(),
  });

const bytesOf = (fields: object) => toBinary(IntrospectRequestSchema, create(IntrospectRequestSchema, fields));
const batchOf = (requests: object[]) =>
  toBinary(BatchIntrospectRequestSchema, create(BatchIntrospectRequestSchema, { requests }));

const types = [IntrospectRequestSchema, BatchIntrospectRequestSchema];

/** Whatever is decoded is what the library makes of it. Undefined: nothing is. */
function decode(type: DescMessage, bytes: Uint8Array): Message | undefined {
  const message = decodeQuestion(type, bytes);
  if (message) expect(message).toStrictEqual(fromBinary(type, bytes));
  return message;
}

describe("a plain question", () => {
  test("of ASCII texts is decoded, alone and in a batch", () => {
    fc.assert(
      fc.property(questionOf(ascii), (fields) => {
        expect(decode(IntrospectRequestSchema, bytesOf(fields))).toBeDefined();
      }),
    );
    const short = questionOf(fc.string({ unit: "binary-ascii", maxLength: 100 }));
    fc.assert(
      fc.property(fc.array(short, { maxLength: 100 }), (requests) => {
        expect(decode(BatchIntrospectRequestSchema, batchOf(requests))).toBeDefined();
      }),
    );
  });

  test("may have its fields more than once and in any order", () => {
    const parts = fc.array(questionOf(fc.string({ unit: "binary-ascii", maxLength: 20 })), { maxLength: 4 });
    fc.assert(
      fc.property(parts, (fields) => {
        expect(decode(IntrospectRequestSchema, Buffer.concat(fields.map(bytesOf)))).toBeDefined();
      }),
    );
  });

  test("is empty, too", () => {
    for (const type of types) expect(decode(type, new Uint8Array(0))).toEqual(create(type));
  });
});

describe("any other message", () => {
  test("is decoded as the library does, or not at all", () => {
    fc.assert(
      fc.property(fc.array(questionOf(anyText), { maxLength: 5 }), (requests) => {
        decode(BatchIntrospectRequestSchema, batchOf(requests));
        for (const fields of requests) decode(IntrospectRequestSchema, bytesOf(fields));
      }),
    );
  });

  test("is left to the library: with texts beyond ASCII, lengths beyond two bytes, fields that nobody knows", () => {
    expect(decode(IntrospectRequestSchema, bytesOf({ secret: "a", audience: "ü" }))).toBeUndefined();
    expect(decode(IntrospectRequestSchema, bytesOf({ secret: "x".repeat(16_384) }))).toBeUndefined();
    // One byte of the length taken for text, this would be another message.
    const misread = { secret: `${"x".repeat(16_383)}"`, scopes: ["y".repeat(17)] };
    expect(decode(IntrospectRequestSchema, bytesOf(misread))).toBeUndefined();
    expect(decode(IntrospectRequestSchema, Buffer.of(0x30, 1))).toBeUndefined();
    expect(decode(BatchIntrospectRequestSchema, Buffer.of(0x12, 0))).toBeUndefined();
    expect(decode(IntrospectRequestSchema, Buffer.of(0x28, 0x80, 0x01))).toBeUndefined();
    expect(decode(IntrospectRequestSchema, Buffer.of(0x28, 2))).toBeUndefined();
    expect(decodeQuestion(GetRequestSchema, new Uint8Array(0))).toBeUndefined();
  });

  test("is left to the library when it is cut, changed or garbage", () => {
    const change = fc.record({ at: fc.nat(), to: fc.nat(255), cut: fc.nat() });
    fc.assert(
      fc.property(fc.array(questionOf(ascii), { maxLength: 3 }), fc.array(change), (requests, changes) => {
        for (const [type, whole] of [
          [BatchIntrospectRequestSchema, batchOf(requests)],
          [IntrospectRequestSchema, bytesOf(requests[0] ?? {})],
        ] as const) {
          for (const { at, to, cut } of changes) {
            const bytes = Uint8Array.from(whole);
            if (bytes.length > 0) bytes[at % bytes.length] = to;
            decode(type, bytes);
            decode(type, bytes.subarray(0, cut % (bytes.length + 1)));
          }
        }
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        for (const type of types) decode(type, bytes);
      }),
      { numRuns: 2000 },
    );
  });

  test("is left to the library when a text does not end with the message that it stands in", () => {
    const cut = Buffer.of(0x0a, 3, 0x0a, 4, 97, 98, 99, 100);
    expect(decodeQuestion(BatchIntrospectRequestSchema, cut)).toBeUndefined();
  });
});
