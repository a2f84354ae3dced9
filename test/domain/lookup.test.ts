import { describe, expect, test } from "vitest";
import { randomBase62 } from "../../src/domain/base62.ts";
import { findBySecret, findToken, proveSecret } from "../../src/domain/lookup.ts";
import { type Presented, readPresented } from "../../src/domain/presented.ts";
import { makeId, makeSecret } from "../../src/domain/secret.ts";
import { ada, admin, bob, DAY, foreignAdmin, HOUR, openWorld, refusal, root } from "./world.ts";

const gone = refusal("TOKEN_NOT_FOUND", "no such token");

describe("a token is found", () => {
  test("by its id and by its secret, by those who reach it", async () => {
    const { context, issue } = await openWorld();
    const { token, secret } = await issue();
    for (const caller of [ada, admin, root]) {
      expect((await findToken(context, caller, { id: token.id })).id).toBe(token.id);
      expect((await findToken(context, caller, { secret })).id).toBe(token.id);
    }
  });

  test("whatever its status, until its retention is over", async () => {
    const { context, issue, pass } = await openWorld();
    const { token, secret } = await issue({ lifetime: { type: "ttl", duration: HOUR }, inactive: true });
    pass(HOUR + DAY - 1);
    expect((await findToken(context, ada, { secret })).id).toBe(token.id);
    pass(1);
    await expect(findToken(context, root, { id: token.id })).rejects.toMatchObject(gone);
    await expect(findToken(context, root, { secret })).rejects.toMatchObject(gone);
    const presented = (await readPresented(context, secret)) as Presented;
    expect(proveSecret(context, token, presented, context.clock())).toBeUndefined();
  });
});

describe("what is out of reach can't be told from what does not exist", () => {
  test("for a foreign token, one with more scopes than the caller, and one that never was", async () => {
    const { context, issue } = await openWorld();
    const { token, secret } = await issue({ scopes: ["repo:delete"] });
    for (const caller of [ada, bob, foreignAdmin]) {
      await expect(findToken(context, caller, { id: token.id })).rejects.toMatchObject(gone);
      await expect(findToken(context, caller, { secret })).rejects.toMatchObject(gone);
    }
    const id = makeId(token.id.slice(0, 3), randomBase62);
    await expect(findToken(context, root, { id })).rejects.toMatchObject(gone);
    const never = makeSecret(context.keys, "lk_pat", id, randomBase62);
    await expect(findToken(context, root, { secret: never })).rejects.toMatchObject(gone);
  });

  test("for texts that are no ids and no secrets, which never reach the store", async () => {
    const { context, issue } = await openWorld();
    const { token, secret } = await issue();
    for (const id of ["", " ", `${token.id} `, token.id.slice(1), secret, "../../x"]) {
      await expect(findToken(context, root, { id }), id).rejects.toMatchObject(gone);
    }
    for (const text of ["", token.id, `${secret} `, secret.slice(1)]) {
      await expect(findToken(context, root, { secret: text }), text).rejects.toMatchObject(gone);
    }
  });
});

test("a secret of nobody is nobody's, without an error", async () => {
  const { context, issue } = await openWorld();
  const { secret } = await issue();
  expect(await findBySecret(context, secret)).toBeDefined();
  expect(
    await findBySecret(context, makeSecret(context.keys, "lk_pat", makeId("abc", randomBase62), randomBase62)),
  ).toBeUndefined();
  expect(await findBySecret(context, "not a secret")).toBeUndefined();
});

test("a store that can't be asked is an error, never an absence", async () => {
  const { context, issue } = await openWorld();
  const { secret } = await issue();
  const failing = new Proxy(context.store, {
    get: () => () => Promise.reject(Object.assign(new Error("gone"), { reason: "STORE_UNAVAILABLE" })),
  });
  await expect(findBySecret({ ...context, store: failing }, secret)).rejects.toMatchObject({
    reason: "STORE_UNAVAILABLE",
  });
});
