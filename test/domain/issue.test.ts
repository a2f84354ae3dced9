import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { exchangeToken } from "../../src/domain/exchange.ts";
import { introspect } from "../../src/domain/introspect.ts";
import { fingerprintsOf } from "../../src/domain/keys.ts";
import { findBySecret } from "../../src/domain/lookup.ts";
import { deleteToken } from "../../src/domain/revoke.ts";
import { setActive } from "../../src/domain/set-active.ts";
import {
  ada,
  admin,
  ask,
  callerOf,
  DAY,
  foreignAdmin,
  HOUR,
  kindOf,
  NOW,
  openWorld,
  refusal,
  root,
  service,
} from "./world.ts";

describe("a new token", () => {
  test("is what was asked for, and the store has exactly what is answered", async () => {
    const { context, issue } = await openWorld();
    const { token, secret } = await issue({
      label: "laptop",
      lifetime: { type: "ttl", duration: HOUR },
      scopes: ["repo:write", "repo:read", "repo:write"],
      audiences: ["b", "a", "b"],
      claims: { plan: "gold", limits: [1, null] },
      clientId: "cli",
      maxUses: 3,
    });
    expect(token).toEqual({
      tenant: "acme",
      subject: "ada",
      version: 1,
      revision: 1,
      id: expect.stringMatching(/^[0-9A-Za-z]{19}$/),
      kind: "personal",
      label: "laptop",
      hint: secret.slice(0, "lk_pat_".length + 8),
      scopes: ["repo:read", "repo:write"],
      audiences: ["a", "b"],
      claims: { plan: "gold", limits: [1, null] },
      clientId: "cli",
      parentId: "",
      creator: "root",
      createTime: NOW,
      expireTime: NOW + HOUR,
      purgeTime: NOW + HOUR + DAY,
      lastUsedTime: undefined,
      idleTimeout: undefined,
      active: true,
      usesLeft: 3,
      digests: [
        { keyVersion: 1, digest: expect.any(Uint8Array), source: "", until: undefined, pendingGrace: undefined },
      ],
      holdsLabel: false,
      holdsPlace: false,
    });
    expect((await findBySecret(context, secret))?.token.id).toBe(token.id);
    expect({ ...(await context.store.find(token.id)), digests: [] }).toEqual({ ...token, digests: [] });
  });

  test("is kept without its secret, in every form of it", async () => {
    const { context, issue } = await openWorld();
    const { token, secret } = await issue();
    const kept = JSON.stringify(await context.store.find(token.id));
    const secretPart = secret.slice("lk_pat_".length + token.id.length);
    for (const form of [
      secret,
      secretPart,
      Buffer.from(secret).toString("base64"),
      Buffer.from(secret).toString("hex"),
    ]) {
      expect(kept).not.toContain(form);
    }
    expect(fingerprintsOf(context.keys).every((fingerprint) => !kept.includes(fingerprint))).toBe(true);
  });

  test("has an id that begins with its owner's shard tag", async () => {
    const { context, issue } = await openWorld();
    const { token } = await issue({ subject: "bob" });
    expect(token.id.slice(0, 3)).toBe(context.store.shardTag({ tenant: "acme", subject: "bob" }));
  });

  test("may be made switched off", async () => {
    const { issue } = await openWorld();
    expect((await issue({ inactive: true })).token.active).toBe(false);
  });

  test("may have a life in words", async () => {
    const { issue } = await openWorld();
    const issued = (text: string) => issue({ lifetime: { type: "life", text } });
    expect((await issued("6 hours")).token.expireTime).toBe(NOW + 6 * HOUR);
    expect((await issued("P1M")).token).toMatchObject({
      expireTime: Date.UTC(2026, 1, 15, 12),
      purgeTime: Date.UTC(2026, 1, 16, 12),
    });
  });

  test("may be permanent, and is then never dropped", async () => {
    const { issue } = await openWorld();
    const { token } = await issue({ lifetime: { type: "permanent" } });
    expect(token).toMatchObject({ expireTime: undefined, purgeTime: undefined });
  });

  test("belongs to its creator unless somebody else is named, and names its creator", async () => {
    const { issue } = await openWorld();
    const unnamed = { tenant: "", subject: "" };
    expect((await issue(unnamed, ada)).token).toMatchObject({ tenant: "acme", subject: "ada", creator: "acme/ada" });
    expect((await issue({ subject: "bob" }, admin)).token).toMatchObject({ subject: "bob", creator: "acme/boss" });
    expect((await issue(unnamed, root)).token).toMatchObject({ tenant: "default", subject: "root", creator: "root" });
  });
});

describe("the uses of a new token", () => {
  test.each([
    ["unlimited, if neither request nor kind say anything", {}, undefined, undefined],
    ["those of its kind by default", { defaultUses: 2, maxUses: 5 }, undefined, 2],
    ["those asked for", { defaultUses: 2, maxUses: 5 }, 1, 1],
    ["as many as the kind allows", { defaultUses: 2, maxUses: 5 }, 5, 5],
    ["as many as asked for, where the kind sets no bound", {}, 1_000_000_000, 1_000_000_000],
  ])("are %s", async (_, policy, maxUses, expected) => {
    const { issue } = await openWorld(kindOf(policy));
    expect((await issue({ kind: "test", maxUses })).token.usesLeft).toBe(expected);
  });

  test("are never more than the kind allows", async () => {
    const { issue } = await openWorld(kindOf({ maxUses: 5 }));
    await expect(issue({ kind: "test", maxUses: 6 })).rejects.toMatchObject(
      refusal("USES_INVALID", "max_uses: tokens of kind test have 5 at most"),
    );
  });
});

describe("nobody makes a token", () => {
  const onlyJwt = kindOf({ creators: ["jwt"] });
  const byToken = callerOf({ credential: "token" });
  const byCertificate = callerOf({ credential: "certificate" });
  const notAllowed = "kind: tokens of kind test are made by administrators or other credentials";
  const unknown = "kind: none of personal, service, session, refresh, access, link, test, lives, fresh";
  const lives = kindOf({ name: "lives", allowedLifetimes: [HOUR, DAY] });
  const fresh = kindOf({ name: "fresh", creators: ["jwt"], freshLogin: HOUR });

  test.each([
    ["of a kind that is not in the table", root, { kind: "other" }, "KIND_UNKNOWN", unknown],
    ["of a kind that is named by what objects inherit", root, { kind: "constructor" }, "KIND_UNKNOWN", unknown],
    ["of a kind in another case", root, { kind: "Test" }, "KIND_UNKNOWN", unknown],
    ["with a credential that the kind does not name", byToken, { kind: "test" }, "KIND_NOT_ALLOWED", notAllowed],
    ["with a certificate, if the kind says JWT", byCertificate, { kind: "test" }, "KIND_NOT_ALLOWED", notAllowed],
    [
      "with a scope that it lacks itself",
      ada,
      { scopes: ["repo:read", "repo:delete"] },
      "SCOPE_BEYOND_CALLER",
      "scopes[1]: you can't grant repo:delete, for you don't have it",
    ],
    [
      "with a permission that it lacks itself",
      ada,
      { scopes: ["latchkey:admin"] },
      "SCOPE_BEYOND_CALLER",
      "scopes[0]: you can't grant latchkey:admin, for you don't have it",
    ],
    [
      "of the root, as an administrator",
      admin,
      { scopes: ["latchkey:root"] },
      "SCOPE_BEYOND_CALLER",
      "scopes[0]: you can't grant latchkey:root, for you don't have it",
    ],
    [
      "with a reserved scope that is no permission, as the root",
      root,
      { scopes: ["latchkey:future"] },
      "SCOPE_BEYOND_CALLER",
      "scopes[0]: you can't grant latchkey:future, for you don't have it",
    ],
    [
      "for another subject, without latchkey:admin",
      ada,
      { subject: "bob" },
      "OWNER_BEYOND_CALLER",
      "subject: another subject than your own needs latchkey:admin",
    ],
    [
      "in another tenant, without latchkey:root",
      foreignAdmin,
      {},
      "OWNER_BEYOND_CALLER",
      "tenant: another tenant than your own needs latchkey:root",
    ],
    [
      "longer than the kind allows",
      root,
      { kind: "link", lifetime: { type: "ttl", duration: DAY + 1 } },
      "LIFETIME_TOO_LONG",
      "ttl: tokens of kind link live 1 day at most",
    ],
    [
      "longer than the kind allows, in words",
      root,
      { kind: "link", lifetime: { type: "life", text: "1 day 1 second" } },
      "LIFETIME_TOO_LONG",
      "life: tokens of kind link live 1 day at most",
    ],
    [
      "for a life that is none",
      root,
      { lifetime: { type: "life", text: "for ever" } },
      "LIFETIME_INVALID",
      'life: must be a number and a unit ("6 hours", "90d", "1 hour 30 minutes"), or an ISO 8601 duration ("P30D")',
    ],
    [
      "for another life than those that its kind names",
      root,
      { kind: "lives", lifetime: { type: "ttl", duration: 2 * HOUR } },
      "LIFETIME_INVALID",
      "ttl: tokens of kind lives live 1 hour or 1 day",
    ],
    [
      "without a fresh login, where the kind asks for one",
      ada,
      { kind: "fresh" },
      "LOGIN_TOO_OLD",
      "tokens of this kind need a fresh login: log in again, and call with the new JWT",
    ],
    [
      "of a permanent sort that the kind lacks",
      root,
      { kind: "session", lifetime: { type: "permanent" } },
      "PERMANENT_NOT_ALLOWED",
      "permanent: not for tokens of kind session",
    ],
    [
      "with claims that JSON can't hold",
      root,
      { claims: { a: Number.NaN } },
      "CLAIMS_INVALID",
      "claims: holds text or a number that JSON can't hold",
    ],
  ] as const)("%s", async (_, caller, wish, reason, message) => {
    const { context, issue } = await openWorld(onlyJwt, lives, fresh);
    await expect(issue(wish, caller)).rejects.toMatchObject(refusal(reason, message));
    expect(await context.store.page({ tenant: "acme", limit: 10 })).toEqual([]);
  });

  test("of a kind for administrators, unless it is one", async () => {
    const { issue } = await openWorld();
    await expect(issue({ kind: "service" }, ada)).rejects.toMatchObject(refusal("KIND_NOT_ALLOWED"));
    await expect(issue({ kind: "service" }, service)).rejects.toMatchObject(refusal("KIND_NOT_ALLOWED"));
    expect((await issue({ kind: "service", subject: "robot" }, admin)).token.kind).toBe("service");
  });
});

describe("a kind with unique labels", () => {
  const unique = kindOf({ uniqueLabels: true });
  const taken = refusal("LABEL_TAKEN", "label: another live token of this subject and kind has it");

  test.each(["", " ", "\t\u00a0"])("requires a label that is not blank: %j", async (label) => {
    const { issue } = await openWorld(unique);
    await expect(issue({ kind: "test", label })).rejects.toMatchObject(
      refusal("LABEL_REQUIRED", "label: is required and unique for this kind"),
    );
  });

  test("has a label once for a subject, also while its token is switched off", async () => {
    const { issue } = await openWorld(unique);
    await issue({ kind: "test", label: "a", inactive: true });
    await expect(issue({ kind: "test", label: "a" })).rejects.toMatchObject(taken);
  });

  test("leaves other labels, other subjects and other kinds alone", async () => {
    const { issue } = await openWorld(unique);
    await issue({ kind: "test", label: "a" });
    for (const other of [{ label: "A" }, { label: "a", subject: "bob" }, { label: "a", tenant: "globex" }]) {
      await expect(issue({ kind: "test", ...other })).resolves.toBeDefined();
    }
    await expect(issue({ label: "a" })).resolves.toBeDefined();
    await expect(issue({ label: "a" })).resolves.toBeDefined();
  });

  test("has the label free again from the moment of expiry, though the token is still listed", async () => {
    const { issue, pass } = await openWorld(unique);
    await issue({ kind: "test", label: "a", lifetime: { type: "ttl", duration: HOUR } });
    pass(HOUR - 1);
    await expect(issue({ kind: "test", label: "a" })).rejects.toMatchObject(taken);
    pass(1);
    await expect(issue({ kind: "test", label: "a" })).resolves.toBeDefined();
  });

  test("gives a label to exactly one of twenty who ask at the same moment", async () => {
    const { issue } = await openWorld(unique);
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => issue({ kind: "test", label: "a" })));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) if (outcome.status === "rejected") expect(outcome.reason).toMatchObject(taken);
  });
});

describe("a kind with a cap", () => {
  const capped = kindOf({ maxPerSubject: 2 });
  const reached = refusal("CAP_REACHED", "the subject has 2 live tokens of kind test, the most there may be");

  test("gives a subject so many tokens and no more; others have their own", async () => {
    const { issue } = await openWorld(capped);
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => issue({ kind: "test" })));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
    await expect(issue({ kind: "test" })).rejects.toMatchObject(reached);
    await expect(issue({ kind: "test", subject: "bob" })).resolves.toBeDefined();
    await expect(issue()).resolves.toBeDefined();
  });

  test("does not count what has expired", async () => {
    const { issue, pass } = await openWorld(capped);
    await issue({ kind: "test", lifetime: { type: "ttl", duration: HOUR } });
    await issue({ kind: "test" });
    await expect(issue({ kind: "test" })).rejects.toMatchObject(reached);
    pass(HOUR);
    await expect(issue({ kind: "test" })).resolves.toBeDefined();
  });
});

describe("a kind of which a subject has one token", () => {
  const only = kindOf({ reuse: true, defaultLifetime: DAY, creators: ["jwt"] });
  const wish = { kind: "test" } as const;

  test("answers that one's record, and no secret, whatever else is asked for", async () => {
    const { context, issue } = await openWorld(only);
    const first = await issue({ ...wish, label: "a", scopes: ["repo:read"] });
    const second = await issue({ ...wish, label: "b", lifetime: { type: "ttl", duration: HOUR }, inactive: true });
    expect(first.secret).toMatch(/^tst_/);
    expect(second.secret).toBe("");
    expect(second.token).toEqual({ ...first.token, digests: expect.anything() });
    expect(await context.store.page({ tenant: "acme", limit: 10 })).toHaveLength(1);
    expect((await findBySecret(context, first.secret))?.token.id).toBe(first.token.id);
  });

  test("is refused what it could not make, also where it has one already", async () => {
    const { issue } = await openWorld(only);
    await issue(wish);
    await expect(issue({ ...wish, scopes: ["repo:delete"] }, ada)).rejects.toMatchObject(
      refusal("SCOPE_BEYOND_CALLER"),
    );
    await expect(issue({ ...wish, lifetime: { type: "permanent" } }, ada)).rejects.toMatchObject(
      refusal("PERMANENT_NOT_ALLOWED"),
    );
  });

  test("answers nobody the record of a token that is stronger than the caller", async () => {
    const { issue } = await openWorld(only);
    await issue({ ...wish, scopes: ["repo:delete"] });
    await expect(issue(wish, ada)).rejects.toMatchObject(refusal("TOKEN_NOT_FOUND", "no such token"));
  });

  test("has one for each subject, and beside those of other kinds", async () => {
    const { issue } = await openWorld(only);
    await issue();
    const secrets = [
      await issue(wish),
      await issue({ ...wish, subject: "bob" }),
      await issue({ ...wish, tenant: "x" }),
    ];
    expect(secrets.map(({ secret }) => secret !== "")).toEqual([true, true, true]);
    await issue();
    expect(await issue(wish)).toMatchObject({ secret: "", token: { kind: "test", subject: "ada" } });
  });

  test("answers one that is switched off as it is", async () => {
    const { context, issue } = await openWorld(only);
    const { token } = await issue(wish);
    await setActive(context, root, { id: token.id }, false);
    expect(await issue(wish)).toMatchObject({ secret: "", token: { id: token.id, active: false } });
  });

  test("makes a new one when that one is deleted, expired or used up", async () => {
    const { context, issue, pass } = await openWorld({ ...only, maxUses: 1 });
    const first = await issue(wish);
    await deleteToken(context, root, { id: first.token.id });
    const second = await issue(wish);
    expect([second.secret === "", second.token.id === first.token.id]).toEqual([false, false]);
    pass(DAY - 1);
    expect((await issue(wish)).token.id).toBe(second.token.id);
    pass(1);
    const third = await issue({ ...wish, maxUses: 1 });
    expect([third.secret === "", third.token.id === second.token.id]).toEqual([false, false]);
    await introspect(context, root, ask(third.secret));
    expect((await issue(wish)).secret).not.toBe("");
  });

  test("with a request id answers the first answer's secret again, and only to that request", async () => {
    const { issue } = await openWorld(only);
    const [one, two] = [randomUUID(), randomUUID()];
    const first = await issue({ ...wish, requestId: one });
    expect(await issue({ ...wish, requestId: two })).toMatchObject({ secret: "", token: { id: first.token.id } });
    expect(await issue({ ...wish, requestId: one })).toMatchObject({ secret: first.secret });
    expect(await issue({ ...wish, requestId: two })).toMatchObject({ secret: "" });
    expect(await issue(wish)).toMatchObject({ secret: "" });
  });

  test("with the request id of an answer without a secret makes a new one, once that one is gone", async () => {
    const { context, issue } = await openWorld(only);
    const first = await issue(wish);
    const requestId = randomUUID();
    expect((await issue({ ...wish, requestId })).secret).toBe("");
    await deleteToken(context, root, { id: first.token.id });
    const second = await issue({ ...wish, requestId });
    expect(second.secret).not.toBe("");
    expect((await issue({ ...wish, requestId })).secret).toBe(second.secret);
  });
});

test("a kind that belongs to some tenants is made in no other, by whomever, and not by exchange", async () => {
  const local = kindOf({ name: "local", prefix: "loc", tenants: ["acme"] });
  const parent = kindOf({
    name: "parent",
    prefix: "par",
    exchangesTo: [{ kind: "local", consume: false, rotate: false, revokeOnReuse: false }],
  });
  const { context, issue } = await openWorld(local, parent);
  await issue({ kind: "local" });
  const refused = refusal("KIND_NOT_ALLOWED", "kind: there are no tokens of kind local in this tenant");
  await expect(issue({ kind: "local", tenant: "globex" })).rejects.toMatchObject(refused);
  const { secret } = await issue({ kind: "parent", tenant: "globex" });
  const wish = {
    kind: "",
    scopes: [],
    audiences: [],
    lifetime: { type: "default" },
    clientId: "",
    requestId: "",
  } as const;
  await expect(exchangeToken(context, { ...wish, secret })).rejects.toMatchObject(refused);
});
