import { expect, test } from "vitest";
import { setActive } from "../../src/domain/set-active.ts";
import { ada, bob, HOUR, openWorld, refusal } from "./world.ts";

test("a token is switched off and on again, by its id or its secret; each is an edit", async () => {
  const { context, issue } = await openWorld();
  const { token, secret } = await issue();
  expect(await setActive(context, ada, { id: token.id }, false)).toMatchObject({ active: false, revision: 2 });
  expect((await context.store.find(token.id))?.active).toBe(false);
  expect(await setActive(context, ada, { secret }, true)).toMatchObject({ active: true, revision: 3 });
  expect((await context.store.find(token.id))?.active).toBe(true);
});

test("switching to what is already so succeeds and changes nothing", async () => {
  const { context, issue } = await openWorld();
  const { token } = await issue();
  expect(await setActive(context, ada, { id: token.id }, true)).toMatchObject({
    active: true,
    revision: 1,
    version: 1,
  });
});

test("a token that is expired can be switched, and stays expired", async () => {
  const { context, issue, pass } = await openWorld();
  const { token } = await issue({ lifetime: { type: "ttl", duration: HOUR } });
  pass(HOUR);
  expect(await setActive(context, ada, { id: token.id }, false)).toMatchObject({
    active: false,
    expireTime: token.expireTime,
  });
});

test("somebody else's token can't be switched, nor can it be told from none", async () => {
  const { context, issue } = await openWorld();
  const { token } = await issue();
  await expect(setActive(context, bob, { id: token.id }, false)).rejects.toMatchObject(
    refusal("TOKEN_NOT_FOUND", "no such token"),
  );
  expect((await context.store.find(token.id))?.active).toBe(true);
});
