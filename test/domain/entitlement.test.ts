import { describe, expect, test } from "vitest";
import { boundExpireTime, requireAudiences, requireKind, requireSecretOf } from "../../src/domain/entitlement.ts";
import { kindTable } from "../../src/domain/kinds.ts";
import type { Lifetime } from "../../src/domain/lifetime.ts";
import { admin, callerOf, HOUR, kindOf, NOW, refusal, root, thrownBy, tokenOf } from "./world.ts";

const SCOPES = ["latchkey:self"];
const ADMIN = ["latchkey:admin"];

describe("a kind that needs a fresh login", () => {
  const fresh = kindOf({ creators: ["jwt", "token", "certificate"], freshLogin: HOUR });
  const kinds = kindTable([fresh, kindOf({ name: "other", creators: ["jwt"] })]);
  const tooOld = refusal(
    "LOGIN_TOO_OLD",
    "tokens of this kind need a fresh login: log in again, and call with the new JWT",
  );

  test.each([
    ["just now", NOW],
    ["as long ago as may be", NOW - HOUR],
    ["by a clock that is ahead", NOW + 30_000],
  ])("is made by who has logged in %s", (_, authTime) => {
    expect(requireKind(kinds, callerOf({ authTime }), "test", NOW)).toBe(fresh);
  });

  test.each([
    ["a millisecond longer ago", { authTime: NOW - HOUR - 1 }],
    ["in 1970", { authTime: 0 }],
    ["nobody knows when", {}],
    ["nobody knows when, behind a token", { credential: "token", token: tokenOf({ createTime: NOW }) } as const],
    ["never, as a certificate", { credential: "certificate" } as const],
  ])("is not made by who has logged in %s", (_, changes) => {
    expect(thrownBy(() => requireKind(kinds, callerOf(changes), "test", NOW))).toMatchObject({
      ...tooOld,
      code: "UNAUTHENTICATED",
    });
  });

  test("is made by administrators and the root, and other kinds by everyone, whatever their login", () => {
    for (const caller of [admin, root, callerOf({ scopes: ADMIN, authTime: 0 })]) {
      expect(requireKind(kinds, caller, "test", NOW)).toBe(fresh);
    }
    expect(requireKind(kinds, callerOf({ authTime: 0 }), "other", NOW).name).toBe("other");
  });

  test("tells who may not make it at all nothing of logins", () => {
    const only = kindTable([{ ...fresh, creators: ["token"] }]);
    expect(thrownBy(() => requireKind(only, callerOf({ authTime: 0 }), "test", NOW))).toMatchObject(
      refusal("KIND_NOT_ALLOWED"),
    );
  });
});

describe("the audiences of a new token", () => {
  const bound = callerOf({
    credential: "token",
    scopes: SCOPES,
    token: tokenOf({ audiences: ["latchkey", "orders"] }),
  });

  test.each([[["orders"]], [["latchkey", "orders"]]])("%j are within those of the caller's token", (audiences) => {
    expect(() => requireAudiences(bound, audiences)).not.toThrow();
  });

  test.each([[[]], [["billing"]], [["orders", "billing"]], [["Orders"]]])("%j are beyond them", (audiences) => {
    expect(thrownBy(() => requireAudiences(bound, audiences))).toMatchObject(refusal("AUDIENCE_BEYOND_CALLER"));
  });

  test("are any for a caller that is bound to none, or calls without a token, or administers", () => {
    const unbound = callerOf({ credential: "token", scopes: SCOPES, token: tokenOf({ audiences: [] }) });
    for (const caller of [unbound, callerOf(), { ...bound, permissions: callerOf({ scopes: ADMIN }).permissions }]) {
      for (const audiences of [[], ["billing"]]) expect(() => requireAudiences(caller, audiences)).not.toThrow();
    }
  });
});

describe("the life of a new token", () => {
  const END = NOW + HOUR;
  const own = kindOf({ name: "own" });
  const caller = callerOf({ credential: "token", scopes: SCOPES, token: tokenOf({ kind: "own", expireTime: END }) });

  const BEYOND: [Lifetime, number | undefined, string][] = [
    [{ type: "ttl", duration: HOUR + 1 }, END + 1, "ttl"],
    [{ type: "until", time: END + 1 }, END + 1, "expire_time"],
    [{ type: "permanent" }, undefined, "permanent"],
  ];
  test.each(BEYOND)("can't outlive the caller's token of the same kind: %j", (lifetime, expireTime, field) => {
    expect(thrownBy(() => boundExpireTime(caller, own, lifetime, expireTime))).toMatchObject({
      ...refusal("LIFETIME_BEYOND_CALLER"),
      violations: [{ field }],
    });
  });

  test("can end with the caller's token, or before", () => {
    for (const time of [END, END - 1]) expect(boundExpireTime(caller, own, { type: "until", time }, time)).toBe(time);
  });

  test.each([[undefined], [END + 1]])("is cut to the caller's where none was asked for (default: %s)", (expireTime) => {
    expect(boundExpireTime(caller, own, { type: "default" }, expireTime)).toBe(END);
  });

  test("is for the kinds to say where they differ, or the caller's token is permanent, or it administers", () => {
    const permanent = callerOf({
      credential: "token",
      scopes: SCOPES,
      token: tokenOf({ kind: "own", expireTime: undefined }),
    });
    const admin = callerOf({ credential: "token", scopes: ADMIN, token: tokenOf({ kind: "own", expireTime: END }) });
    expect(boundExpireTime(caller, kindOf({ name: "other" }), { type: "permanent" }, undefined)).toBeUndefined();
    expect(boundExpireTime(permanent, own, { type: "permanent" }, undefined)).toBeUndefined();
    expect(boundExpireTime(admin, own, { type: "permanent" }, undefined)).toBeUndefined();
    expect(boundExpireTime(callerOf(), own, { type: "permanent" }, undefined)).toBeUndefined();
  });
});

describe("the secret of a token that is named by its id", () => {
  const own = kindOf({ name: "own", creators: ["token"] });
  const held = tokenOf({ kind: "own", audiences: ["latchkey", "orders"], expireTime: NOW + HOUR });
  const caller = callerOf({ credential: "token", scopes: SCOPES, token: held });
  const other = tokenOf({ id: "abcOTHERTOKENOFOWNX", kind: "own", audiences: ["orders"], expireTime: NOW + HOUR });
  const login = kindOf({ ...own, creators: ["jwt"], freshLogin: HOUR });

  test("is for whoever could make such a token", () => {
    requireSecretOf(caller, other, own, "id", NOW);
    requireSecretOf(callerOf({ authTime: NOW }), other, login, "id", NOW);
  });

  test.each([
    ["KIND_NOT_ALLOWED", caller, other, kindOf({ name: "own" })],
    ["AUDIENCE_BEYOND_CALLER", caller, { ...other, audiences: [] }, own],
    ["AUDIENCE_BEYOND_CALLER", caller, { ...other, audiences: ["billing"] }, own],
    ["LIFETIME_BEYOND_CALLER", caller, { ...other, expireTime: NOW + HOUR + 1 }, own],
    ["LIFETIME_BEYOND_CALLER", caller, { ...other, expireTime: undefined }, own],
    ["FIELD_NOT_ALLOWED", caller, { ...other, claims: { role: "auditor" } }, own],
    ["FIELD_NOT_ALLOWED", caller, { ...other, clientId: "mobile" }, own],
  ] as const)("is refused otherwise: %s", (reason, by, token, kind) => {
    const thrown = thrownBy(() => requireSecretOf(by, token, kind, "id", NOW));
    expect(thrown).toMatchObject({ ...refusal(reason), violations: [{ field: "id" }] });
  });

  test("takes a fresh login where making such a token does", () => {
    expect(thrownBy(() => requireSecretOf(callerOf(), other, login, "id", NOW))).toMatchObject(
      refusal("LOGIN_TOO_OLD"),
    );
  });

  test("is for administrators in any case, and for who calls with it", () => {
    const strong = { ...other, audiences: [], claims: { role: "auditor" }, clientId: "mobile", expireTime: undefined };
    const administrator = callerOf({ credential: "token", scopes: ADMIN, token: held });
    requireSecretOf(administrator, strong, kindOf(), "id", NOW);
    requireSecretOf(callerOf({ credential: "token", scopes: SCOPES, token: strong }), strong, kindOf(), "id", NOW);
  });
});
