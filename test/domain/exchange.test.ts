import { describe, expect, test, vi } from "vitest";
import { type ExchangeWish, exchangeToken } from "../../src/domain/exchange.ts";
import { introspect } from "../../src/domain/introspect.ts";
import type { ExchangeRule, Kind } from "../../src/domain/kinds.ts";
import { deleteToken } from "../../src/domain/revoke.ts";
import { rotateToken } from "../../src/domain/rotate.ts";
import { setActive } from "../../src/domain/set-active.ts";
import { updateToken } from "../../src/domain/update.ts";
import { admin, ask, DAY, HOUR, kindOf, MINUTE, NOW, openWorld, refusal, root, service, type World } from "./world.ts";

const rule = (changes: Partial<ExchangeRule> = {}): ExchangeRule => ({
  kind: "child",
  consume: false,
  rotate: false,
  revokeOnReuse: false,
  ...changes,
});

const child = kindOf({ name: "child", prefix: "chi", defaultLifetime: HOUR, maxLifetime: DAY, permanent: true });

/** A world with a kind `parent`, and a way to exchange. */
async function openFamily(changes: Partial<ExchangeRule> = {}, kind: Partial<Kind> = {}, ...more: Kind[]) {
  const parent = kindOf({ name: "parent", prefix: "par", permanent: true, exchangesTo: [rule(changes)], ...kind });
  const world = await openWorld(parent, { ...child }, ...more);
  return { ...world, exchange: exchangeIn(world), judge: judgeIn(world) };
}

function exchangeIn({ context }: World) {
  return (secret: string, changes: Partial<ExchangeWish> = {}) =>
    exchangeToken(context, {
      secret,
      kind: "",
      scopes: [],
      audiences: [],
      lifetime: { type: "default" },
      clientId: "",
      requestId: "",
      ...changes,
    });
}

function judgeIn({ context }: World) {
  return async (secret: string) => {
    const verdict = await introspect(context, service, ask(secret, { peek: true }));
    return verdict.active ? "ACTIVE" : verdict.reason;
  };
}

describe("a parent that somebody changes between the judgement and the write", () => {
  const CHANGES: [string, string, (world: World, id: string) => Promise<unknown>][] = [
    ["switches off", "TOKEN_NOT_ACTIVE", ({ context }, id) => setActive(context, root, { id }, false)],
    ["narrows", "SCOPE_WIDENED", ({ context }, id) => updateToken(context, root, { id }, { scopes: ["a"] }, "")],
    [
      "rotates",
      "SECRET_SPENT",
      ({ context }, id) =>
        rotateToken(context, root, { handle: { id }, grace: 0, activateOnFirstUse: false, requestId: "" }),
    ],
  ];

  test.each(CHANGES)("%s: no child of what it was comes to be", async (_, reason, change) => {
    const family = await openFamily();
    const { store } = family.context;
    const { token, secret } = await family.issue({ kind: "parent", scopes: ["a", "b"] });
    const insert = store.insert.bind(store);
    vi.spyOn(store, "insert").mockImplementationOnce(async (...values) => {
      await change(family, token.id);
      return insert(...values);
    });
    await expect(family.exchange(secret, { scopes: ["b"] })).rejects.toMatchObject({ reason });
    const page = await store.page({ tenant: "acme", subject: "ada", limit: 10 });
    expect(page.map(({ id }) => id)).toEqual([token.id]);
  });
});

describe("an exchange", () => {
  test("makes a child of the kind that the rule names, with what the parent has", async () => {
    const { issue, exchange, judge } = await openFamily();
    const wish = { kind: "parent", scopes: ["b", "a"], claims: { plan: "gold" }, clientId: "cli", label: "phone" };
    const parent = await issue(wish);
    const { token, secret, parentSecret } = await exchange(parent.secret, { clientId: "cli" });
    expect(token).toMatchObject({
      parentId: parent.token.id,
      tenant: "acme",
      subject: "ada",
      kind: "child",
      label: "phone",
      scopes: ["a", "b"],
      claims: { plan: "gold" },
      clientId: "cli",
      creator: "root",
      createTime: NOW,
      expireTime: NOW + HOUR,
      active: true,
    });
    expect([await judge(secret), await judge(parent.secret), parentSecret]).toEqual(["ACTIVE", "ACTIVE", ""]);
  });

  test("gives as little as is asked for", async () => {
    const { issue, exchange } = await openFamily();
    const { secret } = await issue({ kind: "parent", scopes: ["a", "b"], audiences: ["x", "y"] });
    const lifetime = { type: "ttl", duration: MINUTE } as const;
    const { token } = await exchange(secret, { kind: "child", scopes: ["b"], audiences: ["y"], lifetime });
    expect(token).toMatchObject({ scopes: ["b"], audiences: ["y"], expireTime: NOW + MINUTE });
  });

  test("binds a child to audiences even if its parent is bound to none", async () => {
    const { issue, exchange } = await openFamily();
    const { secret } = await issue({ kind: "parent" });
    expect((await exchange(secret, { audiences: ["x"] })).token.audiences).toEqual(["x"]);
  });

  test.each<[string, Partial<ExchangeWish>, Parameters<typeof refusal>]>([
    ["more scopes", { scopes: ["a", "admin"] }, ["SCOPE_WIDENED", "scopes[1]: the token has no admin"]],
    ["other audiences", { audiences: ["z"] }, ["AUDIENCE_WIDENED", "audiences[0]: the token has no z"]],
    [
      "a longer life",
      { lifetime: { type: "ttl", duration: 3 * HOUR } },
      ["LIFETIME_BEYOND_PARENT", "ttl: the new token can't outlive the presented one"],
    ],
    [
      "no end",
      { lifetime: { type: "permanent" } },
      ["LIFETIME_BEYOND_PARENT", "permanent: the new token can't outlive the presented one"],
    ],
    [
      "another kind",
      { kind: "session" },
      ["EXCHANGE_NOT_ALLOWED", "kind: tokens of kind parent are exchanged for child"],
    ],
    [
      "another client",
      { clientId: "other" },
      ["CLIENT_MISMATCH", "client_id: must be the client that the token is bound to, or unset if it is to none"],
    ],
    [
      "no client",
      { clientId: "" },
      ["CLIENT_MISMATCH", "client_id: must be the client that the token is bound to, or unset if it is to none"],
    ],
  ])("refuses %s, and leaves nothing behind", async (_, wish, expected) => {
    const { context, issue, exchange } = await openFamily({ consume: false });
    const parent = await issue({
      kind: "parent",
      scopes: ["a"],
      audiences: ["x"],
      clientId: "cli",
      lifetime: { type: "ttl", duration: 2 * HOUR },
    });
    await expect(exchange(parent.secret, { clientId: "cli", ...wish })).rejects.toMatchObject(refusal(...expected));
    expect(await context.store.page({ tenant: "acme", limit: 10 })).toMatchObject([
      { id: parent.token.id, version: 1 },
    ]);
  });

  test("cuts the default life to what the parent has left", async () => {
    const { issue, exchange } = await openFamily();
    const parent = await issue({ kind: "parent", lifetime: { type: "ttl", duration: 10 * MINUTE } });
    expect((await exchange(parent.secret)).token.expireTime).toBe(parent.token.expireTime);
  });

  test("needs the kind to be named where there are several", async () => {
    const rules = [rule(), rule({ kind: "session" })];
    const { issue, exchange } = await openFamily({}, { exchangesTo: rules });
    const { secret } = await issue({ kind: "parent" });
    await expect(exchange(secret)).rejects.toMatchObject(
      refusal("EXCHANGE_NOT_ALLOWED", "kind: tokens of kind parent are exchanged for child, session"),
    );
    expect((await exchange(secret, { kind: "session" })).token.kind).toBe("session");
  });

  test("is not for kinds without a rule", async () => {
    const { issue, exchange } = await openFamily();
    const { secret } = await issue({ kind: "personal" });
    await expect(exchange(secret)).rejects.toMatchObject(
      refusal("EXCHANGE_NOT_ALLOWED", "kind: tokens of kind personal are not exchanged"),
    );
  });

  test("keeps the cap and the labels of the child's kind", async () => {
    const capped = { ...child, name: "capped", prefix: "cap", maxPerSubject: 1 };
    const labelled = { ...child, name: "labelled", prefix: "lab", uniqueLabels: true };
    const exchangesTo = [rule({ kind: "capped" }), rule({ kind: "labelled" })];
    const { issue, exchange } = await openFamily({}, { exchangesTo }, capped, labelled);
    const { secret } = await issue({ kind: "parent" });
    await exchange(secret, { kind: "capped" });
    await expect(exchange(secret, { kind: "capped" })).rejects.toMatchObject(refusal("CAP_REACHED"));
    await expect(exchange(secret, { kind: "labelled" })).rejects.toMatchObject(refusal("LABEL_REQUIRED"));
    const phone = await issue({ kind: "parent", label: "phone" });
    await exchange(phone.secret, { kind: "labelled" });
    await expect(exchange(phone.secret, { kind: "labelled" })).rejects.toMatchObject(refusal("LABEL_TAKEN"));
  });
});

describe("what is presented", () => {
  test.each(["", "junk", "par_abcABCDEFGHIJKLMNOP"])("is nobody's secret: %j", async (secret) => {
    const { exchange } = await openFamily();
    await expect(exchange(secret)).rejects.toMatchObject(refusal("TOKEN_NOT_FOUND", "no such token"));
  });

  test("is of a deleted, purged, expired or switched-off token", async () => {
    const { context, issue, exchange, pass } = await openFamily();
    const [gone, off, short] = await Promise.all([
      issue({ kind: "parent" }),
      issue({ kind: "parent" }),
      issue({ kind: "parent", lifetime: { type: "ttl", duration: HOUR } }),
    ]);
    await deleteToken(context, root, { id: gone.token.id });
    await setActive(context, root, { id: off.token.id }, false);
    await expect(exchange(gone.secret)).rejects.toMatchObject(refusal("TOKEN_NOT_FOUND"));
    await expect(exchange(off.secret)).rejects.toMatchObject(refusal("TOKEN_NOT_ACTIVE", "the token is inactive"));
    pass(HOUR);
    await expect(exchange(short.secret)).rejects.toMatchObject(refusal("TOKEN_NOT_ACTIVE", "the token is expired"));
    pass(DAY);
    await expect(exchange(short.secret)).rejects.toMatchObject(refusal("TOKEN_NOT_FOUND"));
  });
});

describe("a token that is used up by its exchange", () => {
  test("is good for one, and the child takes its place with a life of its own", async () => {
    const { issue, exchange, judge } = await openFamily({ consume: true }, { defaultLifetime: MINUTE });
    const { secret } = await issue({ kind: "parent" });
    const { token } = await exchange(secret);
    expect(token.expireTime).toBe(NOW + HOUR);
    expect(await judge(secret)).toBe("EXHAUSTED");
    await expect(exchange(secret)).rejects.toMatchObject(refusal("TOKEN_NOT_ACTIVE", "the token is exhausted"));
  });

  test("is good for one of a hundred that come at once", async () => {
    const { context, issue, exchange } = await openFamily({ consume: true }, { defaultUses: 1 });
    const { secret } = await issue({ kind: "parent" });
    const outcomes = await Promise.allSettled(Array.from({ length: 100 }, () => exchange(secret)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await context.store.page({ tenant: "acme", limit: 200 })).toHaveLength(2);
  });

  test("counts with introspections, whichever comes first", async () => {
    const { context, issue, exchange } = await openFamily({ consume: true }, { defaultUses: 1 });
    const { secret } = await issue({ kind: "parent" });
    await introspect(context, service, ask(secret));
    await expect(exchange(secret)).rejects.toMatchObject(refusal("TOKEN_NOT_ACTIVE", "the token is exhausted"));
  });

  test("kills what it made if it comes again, where the kind says so", async () => {
    const { issue, exchange, judge, events } = await openFamily({ consume: true, revokeOnReuse: true });
    const { secret } = await issue({ kind: "parent" });
    const made = await exchange(secret);
    await expect(exchange(secret)).rejects.toMatchObject(refusal("SECRET_SPENT", "the secret was used up or replaced"));
    expect([await judge(made.secret), events[0]?.deletedCount]).toEqual(["UNKNOWN", 2]);
  });
});

test("a token of limited uses pays one for each exchange, whatever the rule says", async () => {
  const { issue, exchange } = await openFamily();
  const { secret } = await issue({ kind: "parent", maxUses: 2, lifetime: { type: "ttl", duration: 10 * MINUTE } });
  expect((await exchange(secret)).token.expireTime).toBe(NOW + 10 * MINUTE);
  await exchange(secret);
  await expect(exchange(secret)).rejects.toMatchObject(refusal("TOKEN_NOT_ACTIVE", "the token is exhausted"));
});

describe("a token that rotates", () => {
  test("gets a new secret with each exchange, and the one before is spent", async () => {
    const { issue, exchange, judge } = await openFamily({ rotate: true });
    const first = await issue({ kind: "parent" });
    const { secret, parentSecret } = await exchange(first.secret);
    expect([await judge(secret), await judge(parentSecret), await judge(first.secret)]).toEqual([
      "ACTIVE",
      "ACTIVE",
      "SPENT",
    ]);
    const next = await exchange(parentSecret);
    expect(await judge(next.parentSecret)).toBe("ACTIVE");
    expect(await judge(secret)).toBe("ACTIVE");
  });

  test("is only reported if a spent secret comes again, where the kind is not strict", async () => {
    const { issue, exchange, judge, events } = await openFamily({ rotate: true });
    const first = await issue({ kind: "parent" });
    const { secret, parentSecret } = await exchange(first.secret);
    await expect(exchange(first.secret)).rejects.toMatchObject(refusal("SECRET_SPENT"));
    expect([await judge(secret), await judge(parentSecret)]).toEqual(["ACTIVE", "ACTIVE"]);
    expect(events).toMatchObject([{ type: "spent-secret-presented", tokenId: first.token.id, deletedCount: 0 }]);
  });

  test("dies with all its family if one comes again, where the kind is strict: however old it is", async () => {
    const { issue, exchange, judge, events } = await openFamily({ rotate: true, revokeOnReuse: true });
    const first = await issue({ kind: "parent" });
    let exchanged = await exchange(first.secret);
    const children = [exchanged.secret];
    for (let n = 0; n < 20; n++) {
      exchanged = await exchange(exchanged.parentSecret);
      children.push(exchanged.secret);
    }
    await expect(exchange(first.secret)).rejects.toMatchObject(refusal("SECRET_SPENT"));
    const verdicts = await Promise.all([exchanged.parentSecret, ...children].map(judge));
    expect(new Set(verdicts)).toEqual(new Set(["UNKNOWN"]));
    expect(events).toMatchObject([{ deletedCount: 22 }]);
  });

  test("dies also if it is introspected with a spent secret", async () => {
    const { context, issue, exchange, judge } = await openFamily({ rotate: true, revokeOnReuse: true });
    const first = await issue({ kind: "parent" });
    const { parentSecret } = await exchange(first.secret);
    expect(await introspect(context, service, ask(first.secret))).toEqual({ active: false, reason: "SPENT" });
    expect(await judge(parentSecret)).toBe("UNKNOWN");
  });

  test("is exchanged by one of many that come at once with the same secret", async () => {
    const { issue, exchange } = await openFamily({ rotate: true });
    const { secret } = await issue({ kind: "parent" });
    const outcomes = await Promise.allSettled(Array.from({ length: 30 }, () => exchange(secret)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("keeps its expiry", async () => {
    const { context, issue, exchange, pass } = await openFamily({ rotate: true });
    const { token, secret } = await issue({ kind: "parent", lifetime: { type: "ttl", duration: DAY } });
    pass(HOUR);
    await exchange(secret);
    expect(await context.store.find(token.id)).toMatchObject({
      expireTime: token.expireTime,
      lastUsedTime: NOW + HOUR,
    });
  });
});

test("children die with their parent, to any depth", async () => {
  const grandchild = kindOf({ name: "grandchild", prefix: "gra" });
  const middle = kindOf({ name: "middle", prefix: "mid", exchangesTo: [rule({ kind: "grandchild" })] });
  const { context, issue, exchange, judge } = await openFamily({ kind: "middle" }, {}, middle, grandchild);
  const parent = await issue({ kind: "parent" });
  const first = await exchange(parent.secret);
  const second = await exchange(first.secret);
  expect(await judge(second.secret)).toBe("ACTIVE");
  expect(await deleteToken(context, root, { id: parent.token.id })).toBe(3);
  expect([await judge(first.secret), await judge(second.secret)]).toEqual(["UNKNOWN", "UNKNOWN"]);
});

test("also through one in between that is used up and gone from use for long", async () => {
  const last = kindOf({ name: "last", prefix: "las", defaultLifetime: 30 * DAY });
  const middle = kindOf({ name: "middle", prefix: "mid", defaultUses: 1, exchangesTo: [rule({ kind: "last" })] });
  const { context, issue, exchange, judge, pass } = await openFamily({ kind: "middle" }, {}, middle, last);
  const parent = await issue({ kind: "parent", lifetime: { type: "permanent" } });
  const { secret } = await exchange((await exchange(parent.secret)).secret);
  pass(29 * DAY);
  expect(await judge(secret)).toBe("ACTIVE");
  await deleteToken(context, root, { id: parent.token.id });
  expect(await judge(secret)).toBe("UNKNOWN");
});

test("not even an administrator's Update lets a child outlive its parent, unless that was used up for it", async () => {
  const { context, issue, exchange } = await openFamily();
  const parent = await issue({ kind: "parent", lifetime: { type: "ttl", duration: 2 * HOUR } });
  const { token } = await exchange(parent.secret);
  const move = (id: string, expireTime?: number) => updateToken(context, admin, { id }, { expireTime }, "");
  const beyond = "expire_time: the token can't outlive the one that it was exchanged from";
  for (const time of [NOW + 2 * HOUR + 1, undefined]) {
    await expect(move(token.id, time)).rejects.toMatchObject(refusal("LIFETIME_BEYOND_PARENT", beyond));
  }
  expect(await move(token.id, NOW + 2 * HOUR)).toMatchObject({ expireTime: NOW + 2 * HOUR });

  const link = await issue({ kind: "link" });
  const session = await exchange(link.secret);
  expect(await move(session.token.id, NOW + DAY)).toMatchObject({ expireTime: NOW + DAY });
});

test("a link becomes a session with the built-in kinds", async () => {
  const world = await openWorld();
  const { secret } = await world.issue({ kind: "link", scopes: ["latchkey:self"] });
  const session = await exchangeIn(world)(secret);
  expect(session.token).toMatchObject({ kind: "session", scopes: ["latchkey:self"], expireTime: NOW + 10 * HOUR });
});
