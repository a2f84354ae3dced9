import { describe, expect, test } from "vitest";
import type { Context } from "../../src/domain/context.ts";
import { introspect, introspectAll, type Question } from "../../src/domain/introspect.ts";
import { kindTable } from "../../src/domain/kinds.ts";
import { deleteToken } from "../../src/domain/revoke.ts";
import { setActive } from "../../src/domain/set-active.ts";
import {
  admin,
  ask,
  DAY,
  foreignAdmin,
  HOUR,
  keyRing,
  kindOf,
  NOW,
  openWorld,
  refusal,
  root,
  service,
  unheldSecret,
} from "./world.ts";

const inactive = (reason: string) => ({ active: false, reason });

describe("a presented secret is good", () => {
  test("if nothing speaks against it, and the answer is the token's record", async () => {
    const { context, issue } = await openWorld();
    const { token, secret } = await issue({ scopes: ["repo:read", "repo:write"], claims: { plan: "gold" } });
    const verdict = await introspect(
      context,
      service,
      ask(secret, { scopes: ["repo:read"], kinds: ["link", "personal"] }),
    );
    expect(verdict).toMatchObject({ active: true, token: { ...token, digests: [{ keyVersion: 1 }] } });
  });

  test("whatever the token's scopes, for the introspecting service needs none of them itself", async () => {
    const { context, issue } = await openWorld();
    const { secret } = await issue({ scopes: ["latchkey:admin", "repo:read"] });
    expect(await introspect(context, service, ask(secret))).toMatchObject({ active: true });
  });

  test("for the root, of whatever tenant it is", async () => {
    const { context, issue } = await openWorld();
    const { secret } = await issue({ tenant: "globex" });
    expect(await introspect(context, root, ask(secret))).toMatchObject({ active: true });
  });

  test("under a retiring key", async () => {
    const { context, issue } = await openWorld();
    const { secret } = await issue();
    expect(await introspect({ ...context, keys: keyRing(2, 1) }, service, ask(secret))).toMatchObject({ active: true });
    expect(await introspect({ ...context, keys: keyRing(2) }, service, ask(secret))).toEqual(inactive("UNKNOWN"));
  });

  test("is not said of a token of a newer key, which this instance has not been given yet", async () => {
    const { context, issue } = await openWorld();
    const { secret } = await issue({}, root, { ...context, keys: keyRing(2, 1) });
    await expect(introspect(context, service, ask(secret))).rejects.toMatchObject(refusal("KEY_MISSING"));
  });
});

describe("a presented secret is not good", () => {
  test.each(["", "x", "lk_pat_", "Bearer x", "lk_pat_abcABCDEFGHIJKLMNOP00000000000000000000000000000000000000"])(
    "and MALFORMED, if it never was one: %j",
    async (secret) => {
      const { context } = await openWorld();
      expect(await introspect(context, service, ask(secret))).toEqual(inactive("MALFORMED"));
    },
  );

  test("and UNKNOWN, if it was never made here, is deleted, or belongs to another tenant", async () => {
    const { context, issue } = await openWorld();
    const { token, secret } = await issue();
    const verdictOf = (caller: typeof service, text: string) => introspect(context, caller, ask(text));
    expect(await verdictOf(service, unheldSecret(token.id.slice(0, 3)))).toEqual(inactive("UNKNOWN"));
    expect(await verdictOf(foreignAdmin, secret)).toEqual(inactive("UNKNOWN"));
    await deleteToken(context, root, { id: token.id });
    expect(await verdictOf(service, secret)).toEqual(inactive("UNKNOWN"));
  });

  test("from the millisecond of its expiry on, and UNKNOWN after its retention", async () => {
    const { context, issue, pass } = await openWorld();
    const { secret } = await issue({ lifetime: { type: "ttl", duration: HOUR } });
    pass(HOUR - 1);
    expect(await introspect(context, service, ask(secret))).toMatchObject({ active: true });
    pass(1);
    expect(await introspect(context, service, ask(secret))).toEqual(inactive("EXPIRED"));
    pass(DAY - 1);
    expect(await introspect(context, service, ask(secret))).toEqual(inactive("EXPIRED"));
    pass(1);
    expect(await introspect(context, service, ask(secret))).toEqual(inactive("UNKNOWN"));
  });

  test("while it is switched off, and good again afterwards", async () => {
    const { context, issue } = await openWorld();
    const { token, secret } = await issue();
    await setActive(context, admin, { id: token.id }, false);
    expect(await introspect(context, service, ask(secret))).toEqual(inactive("INACTIVE"));
    await setActive(context, admin, { id: token.id }, true);
    expect(await introspect(context, service, ask(secret))).toMatchObject({ active: true });
  });

  test.each([
    ["KIND, if its kind is not accepted", {}, { kinds: ["session", "Personal"] }, "KIND"],
    ["AUDIENCE, if it is for others", { audiences: ["a", "b"] }, { audience: "c" }, "AUDIENCE"],
    ["AUDIENCE, if it is bound to one and none is named", { audiences: ["a"] }, {}, "AUDIENCE"],
    ["SCOPE, if it has none of those asked for", {}, { scopes: ["repo:read"] }, "SCOPE"],
    [
      "SCOPE, if it lacks one of those asked for",
      { scopes: ["repo:read"] },
      { scopes: ["repo:read", "repo:write"] },
      "SCOPE",
    ],
    [
      "SCOPE, for a permission that another one implies",
      { scopes: ["latchkey:admin"] },
      { scopes: ["latchkey:self"] },
      "SCOPE",
    ],
  ])("and %s", async (_, wish, question, reason) => {
    const { context, issue } = await openWorld();
    const { secret } = await issue(wish);
    expect(await introspect(context, service, ask(secret, question))).toEqual(inactive(reason));
  });

  test("for the first reason that applies: UNKNOWN, EXPIRED, EXHAUSTED, INACTIVE, KIND, AUDIENCE, SCOPE", async () => {
    const { context, issue, pass } = await openWorld();
    const wrong = { scopes: ["x"], audience: "x", kinds: ["x"] };
    const wish = { audiences: ["a"], maxUses: 1, lifetime: { type: "ttl", duration: HOUR } } as const;
    const { token, secret } = await issue(wish);
    const used = await issue(wish);
    const verdict = async (secret: string, question: object) => introspect(context, service, ask(secret, question));

    expect(await introspect(context, foreignAdmin, ask(secret, wrong))).toEqual(inactive("UNKNOWN"));
    expect(await verdict(secret, { ...wrong, kinds: [], audience: "a" })).toEqual(inactive("SCOPE"));
    expect(await verdict(secret, { ...wrong, kinds: [] })).toEqual(inactive("AUDIENCE"));
    expect(await verdict(secret, wrong)).toEqual(inactive("KIND"));
    await setActive(context, root, { id: token.id }, false);
    expect(await verdict(secret, wrong)).toEqual(inactive("INACTIVE"));
    expect(await verdict(used.secret, { audience: "a" })).toMatchObject({ active: true });
    await setActive(context, root, { id: used.token.id }, false);
    expect(await verdict(used.secret, wrong)).toEqual(inactive("EXHAUSTED"));
    pass(HOUR);
    expect(await verdict(used.secret, wrong)).toEqual(inactive("EXPIRED"));
  });

  test("and the answer then holds nothing of the token", async () => {
    const { context, issue } = await openWorld();
    const { secret } = await issue({ inactive: true, claims: { plan: "gold" } });
    expect(Object.keys(await introspect(context, service, ask(secret)))).toEqual(["active", "reason"]);
  });
});

describe("a token that is bound to no audience", () => {
  test.each(["", "anywhere"])("is good everywhere: %j", async (audience) => {
    const { context, issue } = await openWorld();
    const { secret } = await issue();
    expect(await introspect(context, service, ask(secret, { audience }))).toMatchObject({ active: true });
  });
});

describe("limited uses", () => {
  test("are counted down by each introspection that finds the token good, and the answer shows what is left", async () => {
    const { context, issue, pass } = await openWorld();
    const { secret } = await issue({ maxUses: 2 });
    pass(5);
    expect(await introspect(context, service, ask(secret))).toMatchObject({
      active: true,
      token: { usesLeft: 1, lastUsedTime: NOW + 5, revision: 1, version: 2 },
    });
    expect(await introspect(context, service, ask(secret))).toMatchObject({ active: true, token: { usesLeft: 0 } });
    expect(await introspect(context, service, ask(secret))).toEqual(inactive("EXHAUSTED"));
  });

  test("are not counted by a look", async () => {
    const { context, issue } = await openWorld();
    const { token, secret } = await issue({ maxUses: 1 });
    for (let i = 0; i < 3; i++) {
      expect(await introspect(context, service, ask(secret, { peek: true }))).toMatchObject({ token: { usesLeft: 1 } });
    }
    expect((await context.store.find(token.id))?.version).toBe(1);
    expect(await introspect(context, service, ask(secret))).toMatchObject({ active: true });
    expect(await introspect(context, service, ask(secret, { peek: true }))).toEqual(inactive("EXHAUSTED"));
  });

  test("are not counted by an introspection that does not find the token good", async () => {
    const { context, issue } = await openWorld();
    const { token, secret } = await issue({ maxUses: 1 });
    await introspect(context, service, ask(secret, { scopes: ["x"] }));
    await introspect(context, service, ask(secret, { kinds: ["link"] }));
    await introspect(context, foreignAdmin, ask(secret));
    expect((await context.store.find(token.id))?.usesLeft).toBe(1);
  });

  test.each([1, 7])("are had by exactly %i of fifty callers at the same moment", async (maxUses) => {
    const { context, issue } = await openWorld();
    const { secret } = await issue({ maxUses });
    const verdicts = await Promise.all(Array.from({ length: 50 }, () => introspect(context, service, ask(secret))));
    expect(verdicts.filter(({ active }) => active)).toHaveLength(maxUses);
    const left = verdicts.flatMap((verdict) => (verdict.active ? [verdict.token.usesLeft] : []));
    expect(left.sort()).toEqual(Array.from({ length: maxUses }, (_, index) => index));
    expect(verdicts.filter(({ active }) => !active)).toEqual(Array(50 - maxUses).fill(inactive("EXHAUSTED")));
  });

  test("that are used up begin the retention of a permanent token", async () => {
    const { context, issue, pass } = await openWorld(kindOf({ permanent: true, retention: HOUR }));
    const { token, secret } = await issue({ kind: "test", lifetime: { type: "permanent" }, maxUses: 1 });
    await introspect(context, service, ask(secret));
    expect((await context.store.find(token.id))?.purgeTime).toBe(NOW + HOUR);
    pass(HOUR);
    expect(await introspect(context, service, ask(secret))).toEqual(inactive("UNKNOWN"));
  });

  test("that are used up never prolong the retention of a token that expires", async () => {
    const { context, issue, pass } = await openWorld(kindOf({ retention: HOUR }));
    const { token, secret } = await issue({ kind: "test", lifetime: { type: "ttl", duration: HOUR }, maxUses: 2 });
    await introspect(context, service, ask(secret));
    expect((await context.store.find(token.id))?.purgeTime).toBe(NOW + 2 * HOUR);
    pass(HOUR - 1);
    const longer = { ...context, kinds: kindTable([kindOf({ retention: DAY })]) };
    await introspect(longer, service, ask(secret));
    expect((await context.store.find(token.id))?.purgeTime).toBe(NOW + 2 * HOUR);
  });
});

describe("several questions at once", () => {
  const askAll = (context: Context, questions: Question[], signal = new AbortController().signal) =>
    introspectAll(context, service, questions, signal);

  test("cost no use when nobody waits for the answer any more", async () => {
    const { context, issue } = await openWorld();
    const { secret } = await issue({ maxUses: 1 });
    const reason = new Error("left");
    await expect(askAll(context, [ask(secret)], AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(await introspect(context, service, ask(secret))).toMatchObject({ active: true });
  });

  test("are answered in their order, each by itself", async () => {
    const { context, issue } = await openWorld();
    const first = await issue({ scopes: ["a"] });
    const second = await issue({ inactive: true });
    const unknown = unheldSecret("abc");
    const verdicts = await askAll(context, [
      ask("junk"),
      ask(second.secret),
      ask(unknown),
      ask(first.secret, { scopes: ["a"] }),
      ask("more junk"),
      ask(first.secret, { scopes: ["b"] }),
    ]);
    expect(verdicts).toMatchObject([
      inactive("MALFORMED"),
      inactive("INACTIVE"),
      inactive("UNKNOWN"),
      { active: true, token: { id: first.token.id } },
      inactive("MALFORMED"),
      inactive("SCOPE"),
    ]);
  });

  test("count two uses, if they hold the same secret twice", async () => {
    const { context, issue } = await openWorld();
    const { secret } = await issue({ maxUses: 2 });
    expect(await askAll(context, [ask(secret), ask(secret), ask(secret)])).toMatchObject([
      { active: true, token: { usesLeft: 1 } },
      { active: true, token: { usesLeft: 0 } },
      inactive("EXHAUSTED"),
    ]);
  });

  test("may be about JWTs beside opaque secrets", async () => {
    const { context, issue } = await openWorld();
    const [jwt, opaque] = [await issue({ kind: "access" }), await issue()];
    const cut = jwt.secret.slice(0, -3);
    expect(await askAll(context, [ask(opaque.secret), ask("junk"), ask(jwt.secret), ask(cut)])).toMatchObject([
      { active: true, token: { id: opaque.token.id } },
      inactive("MALFORMED"),
      { active: true, token: { id: jwt.token.id } },
      inactive("SIGNATURE"),
    ]);
  });

  test("may all be junk", async () => {
    const { context } = await openWorld();
    expect(await askAll(context, [ask("a"), ask("b")])).toEqual(Array(2).fill(inactive("MALFORMED")));
  });
});
