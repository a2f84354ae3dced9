import { create, type DescMessage } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BatchIntrospectRequestSchema,
  GetRequestSchema,
  IntrospectRequestSchema,
} from "#gen/latchkey/v1/token_service_pb.ts";
import { isPlainlyValid } from "../../src/call/plain-requests.ts";

const validator = createValidator();

const anyText = (...lengths: number[]) =>
  fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    fc
      .tuple(fc.constantFrom("a", '"', "ü", "€", "😀"), fc.constantFrom(...lengths))
      .map(([unit, length]) => unit.repeat(Math.ceil(length / unit.length))),
  );
const list = (item: fc.Arbitrary<string>) =>
  fc.oneof(fc.array(item, { maxLength: 5 }), fc.array(fc.constantFrom("a", "b"), { minLength: 62, maxLength: 66 }));
const question = fc.record({
  secret: anyText(1, 2729, 2730, 2731, 8191, 8192, 8193),
  scopes: list(anyText(42, 43, 127, 128, 129)),
  audience: anyText(84, 85, 86, 255, 256, 257),
  kinds: list(anyText(1, 1000)),
  peek: fc.boolean(),
});
const usual = { secret: "lk_pat_abc", scopes: ["repo:read"], audience: "api", kinds: ["personal"] };

describe("a request that is plainly valid", () => {
  test("is valid by the rules of the proto", () => {
    fc.assert(
      fc.property(question, (fields) => {
        const message = create(IntrospectRequestSchema, fields);
        fc.pre(isPlainlyValid(IntrospectRequestSchema, message));
        expect(validator.validate(IntrospectRequestSchema, message).kind).toBe("valid");
      }),
      { numRuns: 500 },
    );
  });

  test("has no fields but those that are looked at", () => {
    const names = (type: DescMessage) => type.fields.map(({ name }) => name);
    expect(names(IntrospectRequestSchema)).toEqual(["secret", "scopes", "audience", "kinds", "peek"]);
    expect(names(BatchIntrospectRequestSchema)).toEqual(["requests"]);
  });

  test("is one as it comes all day, alone or in a batch", () => {
    expect(isPlainlyValid(IntrospectRequestSchema, create(IntrospectRequestSchema, usual))).toBe(true);
    for (const count of [1, 100]) {
      const batch = create(BatchIntrospectRequestSchema, { requests: new Array(count).fill(usual) });
      expect(isPlainlyValid(BatchIntrospectRequestSchema, batch)).toBe(true);
    }
  });

  test("is no batch of none, of too many, or with one that is not", () => {
    for (const requests of [[], new Array(101).fill(usual), [usual, { secret: "" }]]) {
      const batch = create(BatchIntrospectRequestSchema, { requests });
      expect(isPlainlyValid(BatchIntrospectRequestSchema, batch)).toBe(false);
      expect(validator.validate(BatchIntrospectRequestSchema, batch).kind).toBe("invalid");
    }
  });

  test("is none of another type: those are asked by the rules", () => {
    expect(isPlainlyValid(GetRequestSchema, create(GetRequestSchema))).toBe(false);
  });
});
