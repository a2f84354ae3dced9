import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Caller } from "../../src/domain/caller.ts";
import { exchangeToken } from "../../src/domain/exchange.ts";
import { introspect } from "../../src/domain/introspect.ts";
import type { NewToken } from "../../src/domain/issue.ts";
import { deleteToken } from "../../src/domain/revoke.ts";
import { rotateToken } from "../../src/domain/rotate.ts";
import type { Mark, TokenStore } from "../../src/store/token-store.ts";
import {
  ada,
  admin,
  ask,
  bob,
  callerOf,
  DAY,
  foreignAdmin,
  HOUR,
  keyRing,
  kindOf,
  MINUTE,
  openWorld,
  refusal,
  root,
  service,
} from "./world.ts";

const rotating = kindOf({
  name: "rotating",
  prefix: "rot",
  exchangesTo: [{ kind: "session", consume: false, rotate: true, revokeOnReuse: true }],
});
const once = kindOf({
  name: "once",
  prefix: "onc",
  exchangesTo: [{ kind: "session", consume: true, rotate: false, revokeOnReuse: false }],
});

async function open() {
  const world = await openWorld(rotating, once, kindOf({ uniqueLabels: true }));
  const exchange = (secret: string, requestId: string, scopes: string[] = []) =>
    exchangeToken(world.context, {
      secret,
      kind: "",
      scopes,
      audiences: [],
      lifetime: { type: "default" },
      clientId: "",
      requestId,
    });
  const rotate = (id: string, requestId: string, grace = 0, caller: Caller = root) =>
    rotateToken(world.context, caller, { handle: { id }, grace, activateOnFirstUse: false, requestId });
  const list = () => world.context.store.page({ tenant: "acme", limit: 1000 });
  return { ...world, requestId: randomUUID(), exchange, rotate, list };
}

describe("Create with a request id", () => {
  test("answers the same token and the same secret when it comes again, and makes one token", async () => {
    const { issue, requestId, list, pass } = await open();
    const first = await issue({ requestId, label: "ci" });
    pass(23 * HOUR);
    const second = await issue({ requestId: requestId.toUpperCase(), label: "ci" });
    expect([second.secret, second.token.id]).toEqual([first.secret, first.token.id]);
    expect(await list()).toHaveLength(1);
  });

  test("is another request a day later", async () => {
    const { issue, requestId, list, pass } = await open();
    const first = await issue({ requestId });
    pass(DAY);
    expect((await issue({ requestId })).secret).not.toBe(first.secret);
    expect(await list()).toHaveLength(2);
  });

  test("is one request of many that come at once", async () => {
    const { issue, requestId, list } = await open();
    const issued = await Promise.all(Array.from({ length: 50 }, () => issue({ requestId })));
    expect(new Set(issued.map(({ secret }) => secret)).size).toBe(1);
    expect(await list()).toHaveLength(1);
  });

  test("answers the token as it is by now", async () => {
    const { context, issue, requestId } = await open();
    const { secret } = await issue({ requestId, kind: "link" });
    await introspect(context, service, ask(secret));
    expect(await issue({ requestId, kind: "link" })).toMatchObject({ secret, token: { usesLeft: 0 } });
  });

  test.each<[string, Partial<NewToken>]>([
    ["subject", { subject: "bob" }],
    ["tenant", { tenant: "globex" }],
    ["kind", { kind: "session" }],
    ["label", { label: "other" }],
    ["lifetime", { lifetime: { type: "ttl", duration: HOUR } }],
    ["scopes", { scopes: ["b"] }],
    ["audiences", { audiences: ["x"] }],
    ["claims", { claims: { a: 1, b: 3 } }],
    ["client", { clientId: "cli" }],
    ["switch", { inactive: true }],
    ["uses", { maxUses: 2 }],
  ])("is refused with another %s", async (_, changes) => {
    const { issue, requestId } = await open();
    const wish = { requestId, scopes: ["a"], claims: { a: 1, b: 2 } };
    await issue(wish);
    await expect(issue({ ...wish, ...changes })).rejects.toMatchObject(
      refusal("REQUEST_ID_REUSED", "this request_id was used for another request"),
    );
  });

  test("is the same request if only the order of its claims is another", async () => {
    const { issue, requestId } = await open();
    const { secret } = await issue({ requestId, claims: { a: 1, b: { c: [1, 2], d: 2 } } });
    expect((await issue({ requestId, claims: { b: { d: 2, c: [1, 2] }, a: 1 } })).secret).toBe(secret);
    await expect(issue({ requestId, claims: { b: { d: 2, c: [2, 1] }, a: 1 } })).rejects.toMatchObject(
      refusal("REQUEST_ID_REUSED"),
    );
  });

  test("of another caller is another request", async () => {
    const { issue, requestId, list } = await open();
    const own = { requestId, tenant: "", subject: "" };
    const callers = [ada, bob, admin, foreignAdmin, callerOf({ credential: "certificate" })];
    const issued = await Promise.all(callers.map((caller) => issue(own, caller)));
    expect(new Set(issued.map(({ secret }) => secret)).size).toBe(callers.length);
    expect(await list()).toHaveLength(4);
  });

  test("gives a weaker credential of the same caller nothing that it could not make itself", async () => {
    const { issue, requestId } = await open();
    const wish = { requestId, scopes: ["repo:write"] };
    await issue(wish, ada);
    const weak = callerOf({ scopes: ["latchkey:self", "repo:read"] });
    await expect(issue(wish, weak)).rejects.toMatchObject(refusal("TOKEN_NOT_FOUND"));
  });

  test("has no effect if it is refused, and may come again when what stood in its way is gone", async () => {
    const { context, issue, requestId, list } = await open();
    const wish = { requestId, kind: "test", label: "ci" };
    const holder = await issue({ kind: "test", label: "ci" });
    await expect(issue(wish)).rejects.toMatchObject(refusal("LABEL_TAKEN"));
    expect(await list()).toHaveLength(1);
    await deleteToken(context, root, { id: holder.token.id });
    expect((await issue(wish)).secret).toBe((await issue(wish)).secret);
  });

  test("that breaks a rule can be mended and sent again with the same id", async () => {
    const { issue, requestId } = await open();
    await expect(issue({ requestId, maxUses: 5, kind: "link" })).rejects.toMatchObject(refusal("USES_INVALID"));
    await issue({ requestId, kind: "link" });
  });

  test("never brings back a token that was deleted", async () => {
    const { context, issue, requestId, list } = await open();
    const { token, secret } = await issue({ requestId });
    await deleteToken(context, root, { id: token.id });
    await expect(issue({ requestId })).rejects.toMatchObject(refusal("TOKEN_NOT_FOUND", "no such token"));
    expect(await list()).toEqual([]);
    expect(await introspect(context, service, ask(secret))).toEqual({ active: false, reason: "UNKNOWN" });
  });

  test("still answers the secret of the first time when the service key has changed since", async () => {
    const { context, issue, requestId } = await open();
    const { secret } = await issue({ requestId });
    const rotated = { ...context, keys: keyRing(2, 1) };
    expect((await issue({ requestId }, root, rotated)).secret).toBe(secret);
    const lost = { ...context, keys: keyRing(2) };
    await expect(issue({ requestId }, root, lost)).rejects.toMatchObject(refusal("KEY_MISSING"));
  });

  test("goes on where an attempt broke off between claim and token", async () => {
    const { context, issue, requestId, list } = await open();
    const broken = { ...context, store: failingAt(context.store, "insert") };
    await expect(issue({ requestId }, root, broken)).rejects.toThrow("cut");
    expect(await list()).toEqual([]);
    const { secret } = await issue({ requestId });
    expect((await issue({ requestId })).secret).toBe(secret);
    expect(await list()).toHaveLength(1);
  });
});

describe("Rotate with a request id", () => {
  test("answers the same secret when it comes again, and rotates once", async () => {
    const { issue, rotate, requestId } = await open();
    const { token } = await issue();
    const first = await rotate(token.id, requestId);
    const second = await rotate(token.id, requestId);
    expect(second).toMatchObject({ secret: first.secret, token: { revision: 2 } });
  });

  test("by the old secret, which the first attempt has spent", async () => {
    const { context, issue, requestId } = await open();
    const { secret } = await issue();
    const rotation = { handle: { secret }, grace: 0, activateOnFirstUse: false, requestId };
    const first = await rotateToken(context, ada, rotation);
    expect((await rotateToken(context, ada, rotation)).secret).toBe(first.secret);
  });

  test("is refused with another grace or for another token", async () => {
    const { issue, rotate, requestId } = await open();
    const [one, other] = [await issue(), await issue()];
    await rotate(one.token.id, requestId);
    await expect(rotate(one.token.id, requestId, MINUTE)).rejects.toMatchObject(refusal("REQUEST_ID_REUSED"));
    await expect(rotate(other.token.id, requestId)).rejects.toMatchObject(refusal("REQUEST_ID_REUSED"));
  });

  test("gives nothing to who does not reach the token", async () => {
    const { issue, rotate, requestId } = await open();
    const { token } = await issue({ scopes: ["repo:write"] });
    await rotate(token.id, requestId, 0, ada);
    const weak = callerOf({ scopes: ["latchkey:self"] });
    await expect(rotate(token.id, requestId, 0, weak)).rejects.toMatchObject(refusal("TOKEN_NOT_FOUND"));
  });
});

describe("Exchange with a request id", () => {
  test.each(["rotating", "once", "link"])("answers the same secrets when it comes again (%s)", async (kind) => {
    const { issue, exchange, requestId, list, events } = await open();
    const { secret } = await issue({ kind });
    const first = await exchange(secret, requestId);
    const second = await exchange(secret, requestId);
    expect(second).toMatchObject({ secret: first.secret, parentSecret: first.parentSecret });
    expect(second.token.id).toBe(first.token.id);
    expect([(await list()).length, events]).toEqual([2, []]);
  });

  test("is one exchange of many that come at once", async () => {
    const { issue, exchange, requestId, list } = await open();
    const { secret } = await issue({ kind: "rotating" });
    const exchanged = await Promise.all(Array.from({ length: 30 }, () => exchange(secret, requestId)));
    expect(new Set(exchanged.map(({ parentSecret }) => parentSecret)).size).toBe(1);
    expect(await list()).toHaveLength(2);
  });

  test("is refused with another wish, and to who has another secret", async () => {
    const { issue, exchange, requestId } = await open();
    const { secret } = await issue({ kind: "rotating", scopes: ["a"] });
    const { parentSecret } = await exchange(secret, requestId);
    await expect(exchange(secret, requestId, ["a"])).rejects.toMatchObject(refusal("REQUEST_ID_REUSED"));
    await expect(exchange(parentSecret, requestId)).rejects.toMatchObject(refusal("REQUEST_ID_REUSED"));
  });

  test("is no way around a spent secret: with a new id it is one", async () => {
    const { issue, exchange, requestId } = await open();
    const { secret } = await issue({ kind: "rotating" });
    await exchange(secret, requestId);
    await expect(exchange(secret, randomUUID())).rejects.toMatchObject(refusal("SECRET_SPENT"));
  });
});

/** A store in which one operation never gets through. */
function failingAt(store: TokenStore, operation: "insert" | "replace"): TokenStore {
  const fail = async () => {
    throw new Error("cut");
  };
  return new Proxy(store, {
    get: (target, name) => {
      if (name === operation) return fail;
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

test("what the store keeps for a request tells neither the request nor the secret", async () => {
  const { context, issue, requestId } = await open();
  const kept: string[] = [];
  const store = new Proxy(context.store, {
    get: (target, name) => {
      const value = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...values: unknown[]) => {
        if (name === "claim") kept.push(JSON.stringify(values));
        if (name === "insert") kept.push(JSON.stringify((values[1] as { mark: Mark }).mark));
        return value.apply(target, values);
      };
    },
  });
  const { secret } = await issue({ requestId, label: "payroll" }, root, { ...context, store });
  expect(kept).toHaveLength(2);
  for (const text of kept) {
    for (const told of [secret.slice(-40), requestId, "payroll"]) expect(text).not.toContain(told);
  }
});
