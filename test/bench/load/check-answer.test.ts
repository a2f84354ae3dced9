import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { BatchIntrospectResponseSchema, IntrospectResponseSchema } from "#gen/latchkey/v1/token_service_pb.ts";
import { createCheck } from "../../../bench/load/check-answer.ts";
import type { Expectation } from "../../../bench/load/job.ts";
import { readKeys } from "../../../bench/load/keys.ts";
import { keyFile } from "./key-file.ts";

const GOOD = 0;
const OTHER = 1;
const BAD = 2;

function check(expect: Expectation, message: Uint8Array, pick: number, keysPerCall = 1): string | undefined {
  return createCheck(expect, readKeys(keyFile()), keysPerCall)(Buffer.from(message), pick);
}

type Verdict = MessageInitShape<typeof IntrospectResponseSchema>;
const active = (id: string): Verdict => ({ active: true, token: { id, subject: "ada" } });
const inactive: Verdict = { active: false, reason: 2 };

describe("an answer of Introspect", () => {
  const answer = (verdict: Verdict) => toBinary(IntrospectResponseSchema, create(IntrospectResponseSchema, verdict));

  test.each([
    ["a good token, active", active("id-0"), GOOD, undefined],
    ["a bad token, inactive", inactive, BAD, undefined],
    ["a good token, inactive", inactive, GOOD, "a good token is said to be inactive"],
    ["a bad token, active", active("id-2"), BAD, "a bad token is said to be active"],
    ["another token's answer", active("id-0"), OTHER, "the answer is about another token"],
    ["nothing", {}, GOOD, "a good token is said to be inactive"],
  ])("%s", (_, verdict, pick, fault) => {
    expect(check({ type: "verdict" }, answer(verdict), pick)).toBe(fault);
  });
});

describe("an answer of BatchIntrospect", () => {
  const answer = (...responses: Verdict[]) =>
    toBinary(BatchIntrospectResponseSchema, create(BatchIntrospectResponseSchema, { responses }));

  test.each([
    ["all right", [active("id-0"), active("id-1"), inactive], undefined],
    ["one missing", [active("id-0"), active("id-1")], "2 verdicts instead of 3"],
    ["two in the wrong order", [active("id-1"), active("id-0"), inactive], "the answer is about another token"],
    ["the last one wrong", [active("id-0"), active("id-1"), active("id-2")], "a bad token is said to be active"],
  ])("%s", (_, responses, fault) => {
    expect(check({ type: "verdicts" }, answer(...responses), GOOD, 3)).toBe(fault);
  });
});

test.each([
  ['{"active":true,"sub":"id-0"}', GOOD, undefined],
  ['{"active":false}', BAD, undefined],
  ['{"active":false}', GOOD, "a good token is said to be inactive"],
  ['{"active":true,"sub":"id-2"}', BAD, "a bad token is said to be active"],
  ['{"active":true,"sub":"id-0"}', OTHER, "the answer is about another token"],
  ['{"error":"busy"}', GOOD, "active is undefined"],
])("an answer in JSON: %s to pick %i", (text, pick, fault) => {
  expect(check({ type: "json", field: "active" }, Buffer.from(text), pick)).toBe(fault);
});

test("an answer with items", () => {
  const two = Buffer.from("0a01610a0162", "hex");
  expect(check({ type: "items", count: 2 }, two, GOOD)).toBeUndefined();
  expect(check({ type: "items", count: 3 }, two, GOOD)).toBe("2 items instead of 3");
});
