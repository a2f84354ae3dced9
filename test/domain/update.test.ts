import { describe, expect, test } from "vitest";
import { introspect } from "../../src/domain/introspect.ts";
import { kindTable } from "../../src/domain/kinds.ts";
import { etagOf, type TokenChanges, updateToken } from "../../src/domain/update.ts";
import { ada, admin, ask, bob, DAY, HOUR, kindOf, NOW, openWorld, refusal, root, tokenOf } from "./world.ts";

describe("an update", () => {
  test("changes what it names and nothing else", async () => {
    const { context, issue } = await openWorld();
    const { token } = await issue({ label: "old", scopes: ["a", "b"], claims: { plan: "gold" } });
    const next = await updateToken(context, root, { id: token.id }, { label: "new" }, "");
    expect(next).toEqual({ ...token, digests: expect.anything(), label: "new", version: 2, revision: 2 });
    expect(await context.store.find(token.id)).toMatchObject({ label: "new", scopes: ["a", "b"], revision: 2 });
  });

  test("takes scopes away, all of them too, and keeps them sorted", async () => {
    const { context, issue } = await openWorld();
    const { token } = await issue({ scopes: ["repo:read", "repo:write", "x"] });
    const narrow = (scopes: string[]) => updateToken(context, root, { id: token.id }, { scopes }, "");
    expect((await narrow(["repo:write", "repo:read", "repo:write"])).scopes).toEqual(["repo:read", "repo:write"]);
    expect((await narrow([])).scopes).toEqual([]);
  });

  test("never adds a scope, not even as the root, nor one that was taken away", async () => {
    const { context, issue } = await openWorld();
    const { token } = await issue({ scopes: ["a", "b"] });
    const widened = refusal("SCOPE_WIDENED", "scopes[1]: the token has no c");
    await expect(updateToken(context, root, { id: token.id }, { scopes: ["a", "c"] }, "")).rejects.toMatchObject(
      widened,
    );
    await updateToken(context, root, { id: token.id }, { scopes: ["a"] }, "");
    await expect(updateToken(context, root, { id: token.id }, { scopes: ["b"] }, "")).rejects.toMatchObject(
      refusal("SCOPE_WIDENED", "scopes[0]: the token has no b"),
    );
  });

  test("replaces claims as a whole, and removes them where none are sent", async () => {
    const { context, issue } = await openWorld();
    const { token } = await issue({ claims: { plan: "gold", seats: 3 } });
    const write = (claims: TokenChanges["claims"]) => updateToken(context, admin, { id: token.id }, { claims }, "");
    expect((await write({ plan: "tin" })).claims).toEqual({ plan: "tin" });
    expect((await write(undefined)).claims).toBeUndefined();
    await expect(write({ a: Number.NaN })).rejects.toMatchObject(refusal("CLAIMS_INVALID"));
  });

  test("moves the expiry, from now on and within the kind's longest life, and the purge with it", async () => {
    const { context, issue, pass } = await openWorld(kindOf({ maxLifetime: DAY, retention: HOUR }));
    const { token } = await issue({ kind: "test", lifetime: { type: "ttl", duration: HOUR } });
    const move = (expireTime: number) => updateToken(context, admin, { id: token.id }, { expireTime }, "");
    pass(HOUR - 1);
    const latest = NOW + HOUR - 1 + DAY;
    expect(await move(latest)).toMatchObject({ expireTime: latest, purgeTime: latest + HOUR });
    await expect(move(latest + 1)).rejects.toMatchObject(
      refusal("LIFETIME_TOO_LONG", "expire_time: tokens of kind test live 1 day at most"),
    );
    await expect(move(NOW + HOUR - 1)).rejects.toMatchObject(refusal("LIFETIME_INVALID"));
    expect(await move(NOW + HOUR)).toMatchObject({ expireTime: NOW + HOUR, purgeTime: NOW + 2 * HOUR });
  });

  test("moves the expiry to any moment within the longest life, whatever lives can be asked for", async () => {
    const { context, issue } = await openWorld(kindOf({ allowedLifetimes: [HOUR, DAY], maxLifetime: DAY }));
    const { token } = await issue({ kind: "test", lifetime: { type: "life", text: "1 hour" } });
    const move = (expireTime: number) => updateToken(context, admin, { id: token.id }, { expireTime }, "");
    expect(await move(NOW + 2 * HOUR)).toMatchObject({ expireTime: NOW + 2 * HOUR });
    await expect(move(NOW + DAY + 1)).rejects.toMatchObject(refusal("LIFETIME_TOO_LONG"));
  });

  test("makes a token permanent, where its kind allows it", async () => {
    const { context, issue } = await openWorld();
    const personal = await issue();
    const session = await issue({ kind: "session" });
    const permanent = { expireTime: undefined };
    expect(await updateToken(context, admin, { id: personal.token.id }, permanent, "")).toMatchObject({
      expireTime: undefined,
      purgeTime: undefined,
    });
    await expect(updateToken(context, admin, { id: session.token.id }, permanent, "")).rejects.toMatchObject(
      refusal("PERMANENT_NOT_ALLOWED"),
    );
  });

  test("does not bring back to life what is expired or used up", async () => {
    const { context, issue, pass } = await openWorld();
    const expired = await issue({ lifetime: { type: "ttl", duration: HOUR } });
    const used = await issue({ maxUses: 1 });
    await introspect(context, root, ask(used.secret));
    pass(HOUR);
    const revive = (id: string) => updateToken(context, root, { id }, { expireTime: NOW + DAY }, "");
    await expect(revive(expired.token.id)).rejects.toMatchObject(
      refusal("LIFETIME_INVALID", "expire_time: the token is expired; make a new one"),
    );
    await expect(revive(used.token.id)).rejects.toMatchObject(
      refusal("LIFETIME_INVALID", "expire_time: the token is exhausted; make a new one"),
    );
  });

  test("can't move the expiry of a kind that is gone from the table", async () => {
    const { context, issue } = await openWorld();
    const { token } = await issue();
    const bare = { ...context, kinds: kindTable([]) };
    await expect(updateToken(bare, root, { id: token.id }, { expireTime: NOW + HOUR }, "")).rejects.toMatchObject(
      refusal("KIND_UNKNOWN", "expire_time: kind personal is no longer in the kinds table"),
    );
    expect((await updateToken(bare, root, { id: token.id }, { label: "new" }, "")).label).toBe("new");
  });

  test("can't blank a label that has to be unique", async () => {
    const { context, issue } = await openWorld(kindOf({ uniqueLabels: true }));
    const { token } = await issue({ kind: "test", label: "a" });
    await expect(updateToken(context, root, { id: token.id }, { label: " " }, "")).rejects.toMatchObject(
      refusal("LABEL_REQUIRED", "label: is required and unique for this kind"),
    );
  });
});

describe("who may update", () => {
  test.each([
    ["expire_time", { expireTime: NOW + HOUR }],
    ["expire_time", { expireTime: undefined }],
    ["claims", { claims: {} }],
    ["claims", { claims: undefined }],
  ])("the owner may not change %s of its token, whatever to", async (field, changes) => {
    const { context, issue } = await openWorld();
    const { token } = await issue();
    await expect(updateToken(context, ada, { id: token.id }, { label: "new", ...changes }, "")).rejects.toMatchObject(
      refusal("FIELD_NOT_ALLOWED", `${field}: only administrators may set it`),
    );
    expect((await context.store.find(token.id))?.revision).toBe(1);
  });

  test("the owner may change label and scopes of its token", async () => {
    const { context, issue } = await openWorld();
    const { token } = await issue({ scopes: ["repo:read"] });
    expect(await updateToken(context, ada, { id: token.id }, { label: "mine", scopes: [] }, "")).toMatchObject({
      label: "mine",
      scopes: [],
    });
  });

  test("nobody else may, nor learn that the token exists", async () => {
    const { context, issue } = await openWorld();
    const { token } = await issue();
    await expect(updateToken(context, bob, { id: token.id }, { label: "x" }, "")).rejects.toMatchObject(
      refusal("TOKEN_NOT_FOUND", "no such token"),
    );
  });
});

describe("an etag", () => {
  const mismatch = refusal("ETAG_MISMATCH", "the token has changed since");

  test("lets an update pass while it is the token's, and no longer", async () => {
    const { context, issue } = await openWorld();
    const { token } = await issue();
    const next = await updateToken(context, ada, { id: token.id }, { label: "a" }, etagOf(token));
    expect(etagOf(next)).not.toBe(etagOf(token));
    await expect(updateToken(context, ada, { id: token.id }, { label: "b" }, etagOf(token))).rejects.toMatchObject(
      mismatch,
    );
    expect((await updateToken(context, ada, { id: token.id }, { label: "b" }, etagOf(next))).label).toBe("b");
  });

  test.each(["0", "01", "1 ", "*", "x"])("that was never the token's is refused: %j", async (etag) => {
    const { context, issue } = await openWorld();
    const { token } = await issue();
    await expect(updateToken(context, ada, { id: token.id }, { label: "a" }, etag)).rejects.toMatchObject(mismatch);
  });

  test("lets exactly one of ten updates at the same moment pass", async () => {
    const { context, issue } = await openWorld();
    const { token } = await issue();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => updateToken(context, ada, { id: token.id }, { label: "a" }, "1")),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("does not change with use", async () => {
    const { context, issue } = await openWorld();
    const { token, secret } = await issue({ maxUses: 5 });
    await introspect(context, root, ask(secret));
    expect(etagOf((await context.store.find(token.id)) ?? tokenOf())).toBe(etagOf(token));
    expect((await updateToken(context, ada, { id: token.id }, { label: "a" }, "1")).usesLeft).toBe(4);
  });
});

test("a token is changed by its secret, too", async () => {
  const { context, issue } = await openWorld();
  const { secret } = await issue();
  expect(await updateToken(context, ada, { secret }, { label: "mine" }, "")).toMatchObject({ label: "mine" });
  await expect(updateToken(context, bob, { secret }, { label: "mine" }, "")).rejects.toMatchObject(
    refusal("TOKEN_NOT_FOUND"),
  );
});
