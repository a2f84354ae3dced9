import { describe, expect, test } from "vitest";
import { authorize, methodPermissions, needsNoCredentials } from "../../src/auth/permissions.ts";
import { createCaller } from "../../src/domain/caller.ts";
import { failureOf } from "./fixtures.ts";

const SELF = ["Create", "List", "Get", "Update", "SetActive", "Rotate", "Delete", "DeleteAll"];
/** For them the secret in the request is enough. */
const SECRET = ["Exchange"];
const INTROSPECT = ["Introspect", "BatchIntrospect"];

function attempt(scopes: string[], method: string): Promise<void> {
  const caller = createCaller({ credential: "token", tenant: "acme", subject: "alice", scopes });
  return Promise.resolve().then(() => authorize(caller, method));
}

async function allowed(scopes: string[]): Promise<Set<string>> {
  const outcomes = await Promise.allSettled([...methodPermissions.keys()].map((method) => attempt(scopes, method)));
  return new Set([...methodPermissions.keys()].filter((_, index) => outcomes[index]?.status === "fulfilled"));
}

describe("a caller with", () => {
  test.each([
    ["latchkey:self", SELF],
    ["latchkey:introspect", INTROSPECT],
    ["latchkey:admin", [...SELF, ...INTROSPECT]],
    ["latchkey:root", [...SELF, ...INTROSPECT]],
    ["photos:read", []],
    ["LATCHKEY:ROOT", []],
    ["latchkey:*", []],
  ])("%s may call %j, and what only asks for a secret", async (scope, methods) => {
    expect(await allowed([scope])).toEqual(new Set([...methods, ...SECRET]));
  });
});

test("only what asks for a secret needs no credentials", () => {
  expect([...methodPermissions.keys()].filter(needsNoCredentials)).toEqual(SECRET);
  expect(needsNoCredentials("Watch")).toBe(false);
});

test("tells which permission is lacking", async () => {
  const error = await failureOf(attempt(["latchkey:self"], "Introspect"));
  expect(error).toMatchObject({ code: "PERMISSION_DENIED", reason: "PERMISSION_DENIED" });
  expect(error.message).toBe("Introspect needs the permission latchkey:introspect");
});

test.each(["Watch", "create", "", "constructor", "__proto__"])(
  "denies the method %j without a row even to the root",
  async (method) => {
    const error = await failureOf(attempt(["latchkey:root"], method));
    expect(error).toMatchObject({ code: "PERMISSION_DENIED", reason: "PERMISSION_DENIED" });
  },
);
