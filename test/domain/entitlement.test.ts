import { describe, expect, test } from "vitest";
import { boundExpireTime, requireAudiences } from "../../src/domain/entitlement.ts";
import type { Lifetime } from "../../src/domain/lifetime.ts";
import { callerOf, HOUR, kindOf, NOW, refusal, thrownBy, tokenOf } from "./world.ts";

const SCOPES = ["latchkey:self"];
const ADMIN = ["latchkey:admin"];

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
