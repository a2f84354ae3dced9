import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import {
  BatchIntrospectRequestSchema,
  CreateRequestSchema,
  DeleteAllRequestSchema,
  GetRequestSchema,
  IntrospectRequestSchema,
  ListRequestSchema,
  UpdateRequestSchema,
} from "#gen/latchkey/v1/token_service_pb.ts";
import { createRequestValidator } from "../../src/call/validate.ts";
import { refusal, thrownBy } from "../domain/world.ts";

const validate = createRequestValidator();

function check<S extends DescMessage>(schema: S, init: MessageInitShape<S>): () => void {
  return () => validate(schema, create(schema, init));
}

/** The fields that are wrong, by their names in the proto. */
function faultyFields(run: () => void): string[] {
  const error = thrownBy(run);
  expect(error).toMatchObject(refusal("INVALID_REQUEST"));
  return (error as { violations: { field: string }[] }).violations.map(({ field }) => field);
}

const kind = "personal";
const mask = { paths: ["label"] };

describe("a request is taken", () => {
  test.each([
    ["with the least that Create needs", check(CreateRequestSchema, { kind })],
    [
      "with names of the greatest length",
      check(CreateRequestSchema, {
        kind: "k".repeat(64),
        tenant: "x".repeat(128),
        subject: "y".repeat(256),
        label: "l".repeat(256),
      }),
    ],
    [
      "with names of any language",
      check(CreateRequestSchema, { kind, tenant: "société", subject: "エイダ", label: "mon téléphone 📱" }),
    ],
    [
      "with every character that a scope may have",
      check(CreateRequestSchema, { kind, scopes: ["!#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~"] }),
    ],
    ["to be permanent", check(CreateRequestSchema, { kind, lifetime: { case: "permanent", value: true } })],
    ["for a page of no size", check(ListRequestSchema, {})],
    [
      "with every field that a mask may name",
      check(UpdateRequestSchema, {
        token: { case: "id", value: "x" },
        updateMask: { paths: ["label", "expire_time", "scopes", "claims"] },
      }),
    ],
    [
      "for a hundred introspections",
      check(BatchIntrospectRequestSchema, { requests: Array(100).fill({ secret: "x" }) }),
    ],
    ["for all subjects of a tenant", check(DeleteAllRequestSchema, { tenant: "acme", allSubjects: true })],
  ])("%s", (_, run) => {
    expect(run).not.toThrow();
  });
});

describe("a request is refused, and the field is named,", () => {
  test.each([
    ["without a kind", "kind", check(CreateRequestSchema, {})],
    ["with a tenant that is too long", "tenant", check(CreateRequestSchema, { kind, tenant: "x".repeat(129) })],
    [
      "with a subject that is too long in bytes",
      "subject",
      check(CreateRequestSchema, { kind, subject: "é".repeat(129) }),
    ],
    ["with a space in its subject", "subject", check(CreateRequestSchema, { kind, subject: "ada lovelace" })],
    ["with a line break at the end of its subject", "subject", check(CreateRequestSchema, { kind, subject: "ada\n" })],
    ["with a line break in its label", "label", check(CreateRequestSchema, { kind, label: "a\nb" })],
    ["with an invisible character in its label", "label", check(CreateRequestSchema, { kind, label: "a\u202eb" })],
    ["with a space in a scope", "scopes[1]", check(CreateRequestSchema, { kind, scopes: ["a", "b c"] })],
    ["with an empty scope", "scopes[0]", check(CreateRequestSchema, { kind, scopes: [""] })],
    ["with a quotation mark in a scope", "scopes[0]", check(CreateRequestSchema, { kind, scopes: ['a"'] })],
    ["with a backslash in a scope", "scopes[0]", check(CreateRequestSchema, { kind, scopes: ["a\\"] })],
    ["with a scope of another script", "scopes[0]", check(CreateRequestSchema, { kind, scopes: ["é"] })],
    ["with 65 scopes", "scopes", check(CreateRequestSchema, { kind, scopes: Array(65).fill("a") })],
    ["with an empty audience", "audiences[0]", check(CreateRequestSchema, { kind, audiences: [""] })],
    ["with 17 audiences", "audiences", check(CreateRequestSchema, { kind, audiences: Array(17).fill("a") })],
    [
      "to be not permanent",
      "permanent",
      check(CreateRequestSchema, { kind, lifetime: { case: "permanent", value: false } }),
    ],
    ["with no uses", "max_uses", check(CreateRequestSchema, { kind, maxUses: 0 })],
    ["with a billion uses and one", "max_uses", check(CreateRequestSchema, { kind, maxUses: 1_000_000_001 })],
    ["without a token", "token", check(GetRequestSchema, {})],
    [
      "with a secret that is too long",
      "secret",
      check(GetRequestSchema, { token: { case: "secret", value: "x".repeat(8193) } }),
    ],
    ["for a page of negative size", "page_size", check(ListRequestSchema, { pageSize: -1 })],
    ["with a status that is none", "status", check(ListRequestSchema, { status: 99 as never })],
    ["without a token", "token", check(UpdateRequestSchema, { updateMask: mask })],
    ["without a mask", "update_mask", check(UpdateRequestSchema, { token: { case: "id", value: "x" } })],
    [
      "with a mask of what may not change",
      "update_mask",
      check(UpdateRequestSchema, { token: { case: "id", value: "x" }, updateMask: { paths: ["tenant"] } }),
    ],
    ["without a secret", "secret", check(IntrospectRequestSchema, {})],
    ["for no introspection", "requests", check(BatchIntrospectRequestSchema, {})],
    [
      "for 101 introspections",
      "requests",
      check(BatchIntrospectRequestSchema, { requests: Array(101).fill({ secret: "x" }) }),
    ],
    [
      "for an introspection that is wrong by itself",
      "requests[1].secret",
      check(BatchIntrospectRequestSchema, { requests: [{ secret: "x" }, {}] }),
    ],
  ])("%s", (_, field, run) => {
    expect(faultyFields(run)).toEqual([field]);
  });

  test("with all that is wrong at once", () => {
    const run = check(CreateRequestSchema, { tenant: "a b", scopes: ["a", " "], maxUses: -1 });
    expect(faultyFields(run)).toEqual(["tenant", "kind", "scopes[1]", "max_uses"]);
    expect((thrownBy(run) as Error).message.split("; ")).toHaveLength(4);
  });

  test("for all subjects and one of them", () => {
    const run = check(DeleteAllRequestSchema, { subject: "ada", allSubjects: true });
    expect(thrownBy(run)).toMatchObject({
      ...refusal("INVALID_REQUEST", "all_subjects and subject exclude each other"),
      violations: [{ field: "", description: "all_subjects and subject exclude each other" }],
    });
  });
});

test("a refusal never repeats what was sent", () => {
  const secret = "s3cret".repeat(1400);
  const runs = [
    check(IntrospectRequestSchema, { secret }),
    check(CreateRequestSchema, { kind: secret, tenant: secret, label: `${secret}\n`, scopes: [secret] }),
    check(UpdateRequestSchema, { token: { case: "id", value: secret }, updateMask: { paths: ["s3cret"] } }),
  ];
  for (const run of runs) {
    const { message, violations } = thrownBy(run) as { message: string; violations: unknown };
    expect(message + JSON.stringify(violations)).not.toContain("s3cret");
  }
});

test("a pattern is checked in no time, whatever the text", () => {
  const start = performance.now();
  for (const text of ["a".repeat(256), `${"a".repeat(255)} `, "\u0000".repeat(256)]) {
    for (let i = 0; i < 100; i++) thrownBy(check(CreateRequestSchema, { kind: "", label: text, subject: text }));
  }
  expect(performance.now() - start).toBeLessThan(2000);
});
