import { createHash, createSecretKey } from "node:crypto";
import { CompactSign } from "jose";
import { describe, expect, test } from "vitest";
import { aliasesOf } from "../../src/domain/alias.ts";
import type { Context } from "../../src/domain/context.ts";
import { makeDigest } from "../../src/domain/digest.ts";
import { createDigestSource, createJwtSource } from "../../src/domain/imported.ts";
import { introspect } from "../../src/domain/introspect.ts";
import { createKeyRing } from "../../src/domain/keys.ts";
import { type Presented, readPresented } from "../../src/domain/presented.ts";
import { deleteToken } from "../../src/domain/revoke.ts";
import { rotateToken } from "../../src/domain/rotate.ts";
import { setActive } from "../../src/domain/set-active.ts";
import { ask, HOUR, keyRing, openWorld, refusal, root, service, serviceKey, tokenOf, type World } from "./world.ts";

const SHARED = createSecretKey(Buffer.alloc(32, 7));
const sources = [
  createDigestSource({ name: "digests", algorithm: "sha256", secret: undefined }),
  createJwtSource({ name: "jwts", issuer: "old", algorithm: "HS256", keys: [{ kid: undefined, key: SHARED }] }),
];

function withSources(context: Context): Context {
  return { ...context, keys: createKeyRing([serviceKey(1)], sources) };
}

function signOld(claims: object, key = SHARED): Promise<string> {
  const payload = Buffer.from(JSON.stringify({ iss: "old", ...claims }));
  return new CompactSign(payload).setProtectedHeader({ alg: "HS256" }).sign(key);
}

/** What an import leaves in the store. */
async function importToken({ store, keys }: Context, source: string, material: string): Promise<string> {
  const owner = { tenant: "acme", subject: "ada" };
  const id = `${store.shardTag(owner)}${createHash("sha256").update(material).digest("hex").slice(0, 16)}`;
  const token = tokenOf({ ...owner, id, expireTime: undefined, purgeTime: undefined });
  await store.insert({ ...token, digests: [makeDigest(keys, { source, material })] });
  await store.addAlias(aliasesOf(keys, { source, material })[0], id, undefined);
  return id;
}

async function verdictOf(context: Context, secret: string): Promise<string> {
  const verdict = await introspect(context, service, ask(secret));
  return verdict.active ? "ACTIVE" : verdict.reason;
}

describe("an opaque secret", () => {
  test("is read at once, without the store", async () => {
    const { context, issue } = await openWorld();
    const { token, secret } = await issue();
    const presented = readPresented(context, secret) as Presented;
    expect(presented).toMatchObject({ id: token.id, source: "", material: secret });
    expect(presented.wasMadeHere()).toBe(true);
    expect((readPresented({ ...context, keys: keyRing(2) }, secret) as Presented).wasMadeHere()).toBe(false);
  });
});

describe("a JWT of ours", () => {
  const access = { kind: "access", scopes: ["repo:read"] };

  test("is read by its signature, and found by its id and its whole text", async () => {
    const { context, issue } = await openWorld();
    const { token, secret } = await issue(access);
    expect(await readPresented(context, secret)).toMatchObject({ id: token.id, source: "", material: secret });
    expect(await verdictOf(context, secret)).toBe("ACTIVE");
  });

  test.each<[string, string, (world: World, id: string, secret: string) => unknown]>([
    ["deleted", "UNKNOWN", ({ context }, id) => deleteToken(context, root, { id })],
    ["deleted by itself", "UNKNOWN", ({ context }, _, secret) => deleteToken(context, root, { secret })],
    ["switched off", "INACTIVE", ({ context }, id) => setActive(context, root, { id }, false)],
    ["expired", "EXPIRED", ({ pass }) => pass(HOUR)],
    [
      "replaced within the same second",
      "SPENT",
      ({ context }, id) =>
        rotateToken(context, root, { handle: { id }, grace: 0, activateOnFirstUse: false, requestId: "" }),
    ],
  ])("is worth nothing with its good signature once its token is %s", async (_, reason, end) => {
    const world = await openWorld();
    const { token, secret } = await world.issue(access);
    expect(await verdictOf(world.context, secret)).toBe("ACTIVE");
    await end(world, token.id, secret);
    expect(await verdictOf(world.context, secret)).toBe(reason);
  });

  test("is worth nothing with its good signature for a record that it was not made for", async () => {
    const { context, issue } = await openWorld();
    const { token, secret } = await issue(access);
    await context.store.replace(token, { ...token, version: 2, digests: [] });
    expect(await verdictOf(context, secret)).toBe("SPENT");
  });

  test("says so if its signature is wrong, and the store is not asked", async () => {
    const { context, issue } = await openWorld();
    const { secret } = await issue(access);
    const forged = secret.slice(0, -4) + (secret.endsWith("AAAA") ? "BBBB" : "AAAA");
    const blind = withSources({ ...context, store: Object.create(null) });
    expect(await readPresented(blind, forged)).toBe("SIGNATURE");
    expect(await verdictOf(context, forged)).toBe("SIGNATURE");
  });

  test("of a newer key than this instance has is not called unknown", async () => {
    const { context, issue } = await openWorld();
    const newer = { ...context, keys: keyRing(2, 1) };
    const { token, secret } = await issue(access, root, newer);
    await expect(verdictOf(context, secret)).rejects.toMatchObject(
      refusal("KEY_MISSING", "this instance lacks a service key that others have"),
    );
    expect(await verdictOf({ ...context, keys: keyRing(1, 2) }, secret)).toBe("ACTIVE");
    await deleteToken(newer, root, { id: token.id });
    expect(await verdictOf(context, secret)).toBe("UNKNOWN");
  });

  test("of a key that was taken away is unknown", async () => {
    const { context, issue } = await openWorld();
    const { secret } = await issue(access);
    expect(await verdictOf({ ...context, keys: keyRing(2, 1) }, secret)).toBe("ACTIVE");
    expect(await verdictOf({ ...context, keys: keyRing(2) }, secret)).toBe("UNKNOWN");
  });
});

describe("a text of nobody", () => {
  test("is unknown if it is a JWT, and else malformed, without a look into the store", async () => {
    const { context } = await openWorld();
    const blind = { ...context, store: Object.create(null) };
    expect(await readPresented(blind, await signOld({ jti: "1" }))).toBe("UNKNOWN");
    for (const text of ["", "secret", "a.b.", "lk_pat_abc"]) expect(await readPresented(blind, text)).toBe("MALFORMED");
  });

  test("is unknown where systems are known that may have made it", async () => {
    const { context } = await openWorld();
    for (const text of ["secret", await signOld({ jti: "1" }), await signOld({ iss: "else" })]) {
      expect(await readPresented(withSources(context), text)).toBe("UNKNOWN");
    }
    const tooLong = "a".repeat(8193);
    expect(await readPresented(withSources(context), tooLong)).toBe("MALFORMED");
  });
});

describe("an imported secret", () => {
  test("is found by its digest, as its source makes it", async () => {
    const context = withSources((await openWorld()).context);
    const material = createHash("sha256").update("old secret").digest("hex");
    const id = await importToken(context, "digests", material);
    const presented = (await readPresented(context, "old secret")) as Presented;
    expect(presented).toMatchObject({ id, source: "digests", material });
    expect(presented.wasMadeHere()).toBe(true);
    expect(await verdictOf(context, "old secret")).toBe("ACTIVE");
    for (const text of ["old secret ", "Old secret", material]) expect(await verdictOf(context, text)).toBe("UNKNOWN");
  });

  test("is found by the jti of a JWT whose signature is good", async () => {
    const context = withSources((await openWorld()).context);
    const id = await importToken(context, "jwts", "token-1");
    const jwt = await signOld({ jti: "token-1" });
    expect(await readPresented(context, jwt)).toMatchObject({ id, source: "jwts", material: "token-1" });
    expect(await verdictOf(context, jwt)).toBe("ACTIVE");
    expect(await verdictOf(context, await signOld({ jti: "token-2" }))).toBe("UNKNOWN");
    expect(await verdictOf(context, await signOld({ jti: "token-1", iss: "else" }))).toBe("UNKNOWN");
  });

  test("with a wrong signature says so, where no other source takes the text for its own", async () => {
    const { context } = await openWorld();
    const [digests, jwts] = sources as [(typeof sources)[0], (typeof sources)[0]];
    const forged = await signOld({ jti: "token-1" }, createSecretKey(Buffer.alloc(32, 8)));
    const only = { ...context, keys: createKeyRing([serviceKey(1)], [jwts]) };
    expect(await readPresented(only, forged)).toBe("SIGNATURE");
    expect(await readPresented({ ...context, keys: createKeyRing([serviceKey(1)], [digests]) }, forged)).toBe(
      "UNKNOWN",
    );
  });

  test("may be a JWT that its system kept the digest of", async () => {
    const context = withSources((await openWorld()).context);
    const jwt = await signOld({ jti: "token-1" });
    const id = await importToken(context, "digests", createHash("sha256").update(jwt).digest("hex"));
    expect(await readPresented(context, jwt)).toMatchObject({ id, source: "digests" });
    expect(await verdictOf(context, jwt)).toBe("ACTIVE");
  });

  test("is worth nothing once its source is out of the keys file", async () => {
    const { context } = await openWorld();
    await importToken(withSources(context), "jwts", "token-1");
    expect(await verdictOf(context, await signOld({ jti: "token-1" }))).toBe("UNKNOWN");
  });

  test("is not what another source's secret is known by", async () => {
    const context = withSources((await openWorld()).context);
    await importToken(context, "digests", "token-1");
    expect(await verdictOf(context, await signOld({ jti: "token-1" }))).toBe("UNKNOWN");
  });

  test("is not called unknown while the store can't be asked", async () => {
    const context = withSources((await openWorld()).context);
    const failing = new Proxy(context.store, {
      get: () => () => Promise.reject(Object.assign(new Error("gone"), { reason: "STORE_UNAVAILABLE" })),
    });
    const reading = readPresented({ ...context, store: failing }, "old secret");
    await expect(reading).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
  });
});
