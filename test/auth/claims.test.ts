import { describe, expect, test } from "vitest";
import { type ClaimMapping, readIdentity } from "../../src/auth/claims.ts";
import { NOW } from "./fixtures.ts";

const mapping: ClaimMapping = {
  subject: ["sub"],
  tenant: { value: "acme" },
  scopes: ["scope"],
  scopeTable: undefined,
  defaultScopes: [],
  allowedScopes: new Set(["latchkey:self"]),
};

function scopesOf(claims: Record<string, unknown>, changes: Partial<ClaimMapping> = {}) {
  return readIdentity({ sub: "alice", ...claims }, { ...mapping, ...changes }, NOW).scopes;
}

describe("without a table, a scope of the JWT", () => {
  test("counts if it is allowed", () => {
    expect(scopesOf({ scope: "latchkey:self openid" })).toEqual(["latchkey:self"]);
    expect(scopesOf({ scope: ["openid", "latchkey:self"] })).toEqual(["latchkey:self"]);
  });

  test("is dropped if it is not allowed", () => {
    expect(scopesOf({ scope: "latchkey:root latchkey:admin latchkey:introspect photos:read" })).toEqual([]);
  });

  test.each([
    "LATCHKEY:SELF",
    "latchkey:self\n",
    "latchkey:self,openid",
    1,
    null,
    { "latchkey:self": true },
    [["latchkey:self"]],
  ])("is nothing if it is %j", (scope) => {
    expect(scopesOf({ scope })).toEqual([]);
  });
});

describe("with a table, a value of the JWT", () => {
  const scopeTable = new Map([
    ["staff", ["latchkey:self", "photos:read"]],
    ["owner", ["latchkey:admin"]],
  ]);
  const changes = { scopeTable, allowedScopes: new Set(["latchkey:self", "latchkey:admin", "photos:read"]) };

  test("stands for the scopes of its row", () => {
    expect(scopesOf({ scope: "staff" }, changes)).toEqual(["latchkey:self", "photos:read"]);
  });

  test("counts for nothing without a row, even if it is the name of an allowed scope", () => {
    expect(scopesOf({ scope: "latchkey:admin constructor __proto__" }, changes)).toEqual([]);
  });

  test("gets no more than is allowed", () => {
    expect(scopesOf({ scope: "owner staff" }, { ...changes, allowedScopes: new Set(["latchkey:self"]) })).toEqual([
      "latchkey:self",
    ]);
  });
});

test("default scopes are given to every JWT, also to one without scopes", () => {
  expect(scopesOf({}, { defaultScopes: ["latchkey:self"] })).toEqual(["latchkey:self"]);
});

test("claims are found by a path, and only what the JWT itself holds", () => {
  const claims = { realm_access: { roles: ["latchkey:self"] }, "https://example.com/org": "globex" };
  const changes: ClaimMapping = {
    ...mapping,
    scopes: ["realm_access", "roles"],
    tenant: { claim: ["https://example.com/org"] },
  };
  expect(readIdentity({ sub: "alice", ...claims }, changes, NOW)).toEqual({
    tenant: "globex",
    subject: "alice",
    scopes: ["latchkey:self"],
  });
  const inherited: ClaimMapping = { ...mapping, tenant: { claim: ["constructor", "name"] } };
  expect(() => readIdentity({ sub: "alice" }, inherited, NOW)).toThrow(
    expect.objectContaining({ reason: "CREDENTIALS_INVALID" }),
  );
});

test("a fixed tenant can't be changed by a claim", () => {
  expect(readIdentity({ sub: "alice", tenant: "victim", org: "victim" }, mapping, NOW).tenant).toBe("acme");
});

describe("the moment of the login", () => {
  const authTimeOf = (auth_time: unknown) => readIdentity({ sub: "alice", auth_time }, mapping, NOW).authTime;

  test.each([
    ["now", NOW / 1000, NOW],
    ["a minute ago", NOW / 1000 - 60, NOW - 60_000],
    ["between two seconds", NOW / 1000 - 0.5, NOW - 500],
    ["1970", 0, 0],
  ])("is %s, in seconds since 1970", (_, claim, expected) => {
    expect(authTimeOf(claim)).toBe(expected);
  });

  test.each([
    undefined,
    null,
    true,
    String(NOW / 1000),
    [NOW / 1000],
    { seconds: NOW / 1000 },
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -1,
    NOW / 1000 + 0.001,
    NOW,
  ])("is not known if the JWT says %j", (claim) => {
    expect(authTimeOf(claim)).toBeUndefined();
  });
});
