import { create, type JsonObject, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TokenSchema } from "#gen/latchkey/v1/token_pb.ts";
import {
  BatchIntrospectResponseSchema,
  type IntrospectResponseSchema,
  TokenService,
} from "#gen/latchkey/v1/token_service_pb.ts";
import { Moment } from "../../src/service/times.ts";
import { frameAnswer } from "../../src/wire/encode-answer.ts";

import { frame } from "./raw.ts";

type Fields<T> = Omit<T, "$typeName" | "$unknown">;

const text = fc.oneof(fc.string(), fc.string({ unit: "grapheme" }), fc.constantFrom("x".repeat(200), "ü".repeat(9000)));
const whole = fc.oneof(fc.integer(), fc.constantFrom(0, 1, -1, 0x7fffffff, -0x80000000));
const instant = fc.oneof(
  fc.record({
    seconds: fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n }),
    nanos: fc.oneof(fc.constant(0), fc.integer({ min: -999_999_999, max: 999_999_999 })),
  }),
  fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }).map((milliseconds) => new Moment(milliseconds)),
);
const json = fc.dictionary(fc.string(), fc.jsonValue()).map((value) => JSON.parse(JSON.stringify(value)) as JsonObject);

// One for each field of the message, so that a new field fails to compile until it stands here.
const tokenFields: { [Field in keyof Required<Fields<MessageInitShape<typeof TokenSchema>>>]: fc.Arbitrary<unknown> } =
  {
    id: text,
    tenant: text,
    subject: text,
    kind: text,
    label: text,
    hint: text,
    scopes: fc.array(text),
    audiences: fc.array(text),
    claims: json,
    clientId: text,
    parentId: text,
    creator: text,
    createTime: instant,
    expireTime: instant,
    lastUsedTime: instant,
    active: fc.boolean(),
    status: fc.nat(5),
    life: instant,
    remainingLife: instant,
    usesLeft: whole,
    etag: text,
    idleExpireTime: instant,
  };
const token = fc.record(tokenFields, { requiredKeys: [] });
const verdict = fc.record({ active: fc.boolean(), token, reason: fc.nat(12) }, { requiredKeys: [] }) as fc.Arbitrary<
  Fields<MessageInitShape<typeof IntrospectResponseSchema>>
>;

describe("an answer", () => {
  test("of an introspection has the bytes that the library gives it", () => {
    const { introspect } = TokenService.method;
    fc.assert(
      fc.property(verdict, (answer) => {
        const expected = toBinary(introspect.output, create(introspect.output, answer));
        expect(frameAnswer(introspect, answer)).toEqual(frame(expected));
      }),
    );
  });

  test("of many too", () => {
    const { batchIntrospect } = TokenService.method;
    fc.assert(
      fc.property(fc.array(verdict), (responses) => {
        const expected = toBinary(BatchIntrospectResponseSchema, create(BatchIntrospectResponseSchema, { responses }));
        expect(frameAnswer(batchIntrospect, { responses })).toEqual(frame(expected));
      }),
    );
  });

  test("of any other method is the library's own", () => {
    const { create: method } = TokenService.method;
    const answer = { token: { id: "abc" }, secret: "s", existing: true };
    expect(frameAnswer(method, answer)).toEqual(frame(toBinary(method.output, create(method.output, answer))));
  });

  test("has nothing of the one before", () => {
    const { introspect } = TokenService.method;
    frameAnswer(introspect, { active: true, token: { id: "abc" } });
    expect([...frameAnswer(introspect, { reason: 3 })]).toEqual([0, 0, 0, 0, 2, 24, 3]);
  });

  test("knows every field of a token", () => {
    expect(Object.keys(tokenFields).toSorted()).toEqual(
      TokenSchema.fields.map(({ localName }) => localName).toSorted(),
    );
  });
});
