import { describe, expect, onTestFinished, test } from "vitest";
import { createAuthenticator, digestRootToken } from "../../src/auth/authenticate.ts";
import { createCallerCache, MAX_AGE, MAX_CALLERS } from "../../src/auth/caller-cache.ts";
import { methodPermissions } from "../../src/auth/permissions.ts";
import { findBySecret } from "../../src/domain/lookup.ts";
import { deleteToken, deleteTokens } from "../../src/domain/revoke.ts";
import { rotateToken } from "../../src/domain/rotate.ts";
import { setActive } from "../../src/domain/set-active.ts";
import { changed, type Token } from "../../src/domain/token.ts";
import { updateToken } from "../../src/domain/update.ts";
import { useToken } from "../../src/domain/use.ts";
import { TokenError } from "../../src/errors.ts";
import { readMetadata } from "../../src/wire/request.ts";
import { kindOf, MINUTE, openWorld, refusal, root, type World } from "../domain/world.ts";
import { peer } from "./fixtures.ts";

const INVALID = refusal("CREDENTIALS_INVALID", "the credentials are not valid");
const everything = { tenant: "acme", subject: "ada", allSubjects: false, filter: {} };
const never = new AbortController().signal;

/** A cache over a real store, which counts how often it asks that; and a clock for each of the two that it goes by. */
async function open() {
  const world = await openWorld(
    kindOf({ name: "idle", idleTimeout: 10 * MINUTE }),
    kindOf({ name: "badge", prefix: "bdg", scheme: "Badge" }),
  );
  const { context } = world;
  let [asked, elapsed] = [0, 0];
  let held = Promise.resolve();
  const authenticate = createAuthenticator({
    rootDigest: digestRootToken("root"),
    async verifySecret(secret) {
      asked++;
      const found = await findBySecret(context, secret);
      await held;
      return found;
    },
    noteUse: (token, digest) => useToken(context, token, digest),
    issuers: [],
    certificates: () => undefined,
    kinds: context.kinds,
    clock: context.clock,
  });
  const noteUse = (token: Token) => context.lastUse.note(token);
  let basis = {};
  const cache = createCallerCache({
    authenticate,
    noteUse,
    basis: () => basis,
    clock: context.clock,
    elapsed: () => elapsed,
  });
  onTestFinished(context.store.subscribe(cache.forget));
  const call = async (...headers: string[]) => cache.authenticate(readMetadata(headers), peer, "Introspect");
  return {
    ...world,
    cache,
    call,
    callWith: (secret: string) => call("authorization", `Bearer ${secret}`),
    /** How often the store was asked since the last time. */
    countAsked() {
      const count = asked;
      asked = 0;
      return count;
    },
    changeBasis() {
      basis = {};
    },
    passElapsed(span: number) {
      elapsed += span;
    },
    /** From now on, what was read from the store stays on its way until the answered function is called. */
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = promise;
      return resolve;
    },
  };
}

const byId = ({ id }: Token) => ({ id });
const rotation = { grace: 0, activateOnFirstUse: false, requestId: "" };

describe("a caller with a token is remembered", () => {
  test("by the whole header, without another look into the store", async () => {
    const world = await open();
    const { token, secret } = await world.issue();
    const caller = await world.callWith(secret);
    expect(caller).toMatchObject({ credential: "token", subject: "ada", token: { id: token.id } });
    expect(await world.callWith(secret)).toBe(caller);
    expect(world.countAsked()).toBe(1);
  });

  test("and each of its uses is noted", async () => {
    const world = await open();
    const { token, secret } = await world.issue();
    const lastUsed = async () => (await world.context.store.find(token.id))?.lastUsedTime;
    await world.callWith(secret);
    await world.context.lastUse.flush();
    expect(world.countAsked()).toBe(1);
    world.pass(MINUTE);
    await world.callWith(secret);
    await world.context.lastUse.flush();
    expect(world.countAsked()).toBe(0);
    expect(await lastUsed()).toBe(world.context.clock());
  });

  test("for MAX_AGE from when the store was asked, however long that took to answer", async () => {
    const world = await open();
    const { secret } = await world.issue();
    const answer = world.hold();
    const first = world.callWith(secret);
    world.passElapsed(MAX_AGE - 1);
    answer();
    await first;
    await world.callWith(secret);
    expect(world.countAsked()).toBe(1);
    world.passElapsed(1);
    await world.callWith(secret);
    expect(world.countAsked()).toBe(1);
  });

  test("no longer when the clock goes back", async () => {
    const world = await open();
    const { secret } = await world.issue();
    await world.callWith(secret);
    world.passElapsed(MAX_AGE);
    world.pass(-MINUTE);
    await world.callWith(secret);
    expect(world.countAsked()).toBe(2);
  });

  test("until the token expires, to the millisecond", async () => {
    const world = await open();
    const expireTime = world.context.clock() + MINUTE;
    const { secret } = await world.issue({ lifetime: { type: "until", time: expireTime } });
    await world.callWith(secret);
    world.pass(MINUTE - 1);
    await world.callWith(secret);
    expect(world.countAsked()).toBe(1);
    world.pass(1);
    await expect(world.callWith(secret)).rejects.toMatchObject(INVALID);
  });

  test("also when an old secret of it has ended", async () => {
    const world = await open();
    const { token } = await world.issue();
    const { secret } = await rotateToken(world.context, root, { ...rotation, handle: byId(token), grace: MINUTE });
    world.pass(MINUTE);
    await world.callWith(secret);
    await world.callWith(secret);
    expect(world.countAsked()).toBe(1);
  });

  test("also after the news of another token's change", async () => {
    const world = await open();
    const { secret } = await world.issue();
    await world.callWith(secret);
    await deleteToken(world.context, root, byId((await world.issue()).token));
    await world.callWith(secret);
    expect(world.countAsked()).toBe(1);
  });
});

describe("from the answer on to a change, the old caller is not known any more:", () => {
  type Change = (world: World, token: Token) => Promise<unknown>;
  test.each<[string, Change]>([
    ["deleted", ({ context }, token) => deleteToken(context, root, byId(token))],
    ["deleted with all", ({ context }) => deleteTokens(context, root, everything, never)],
    ["switched off", ({ context }, token) => setActive(context, root, byId(token), false)],
    ["rotated", ({ context }, token) => rotateToken(context, root, { ...rotation, handle: byId(token) })],
    ["expired", ({ context }, token) => context.store.replace(token, changed(token, { expireTime: context.clock() }))],
  ])("%s", async (_, change) => {
    const world = await open();
    const { token, secret } = await world.issue();
    await world.callWith(secret);
    await change(world, token);
    await expect(world.callWith(secret)).rejects.toMatchObject(INVALID);
    await expect(world.callWith(secret)).rejects.toMatchObject(INVALID);
  });

  test("with fewer scopes", async () => {
    const world = await open();
    const { token, secret } = await world.issue({ scopes: ["latchkey:self", "repo:read"] }, root);
    expect((await world.callWith(secret)).scopes).toEqual(new Set(["latchkey:self", "repo:read"]));
    await updateToken(world.context, root, byId(token), { scopes: ["repo:read"] }, "");
    expect((await world.callWith(secret)).scopes).toEqual(new Set(["repo:read"]));
  });

  test("deleted with what it came from", async () => {
    const world = await open();
    const parent = await world.issue();
    const child = await world.issue();
    await deleteToken(world.context, root, byId(child.token));
    await world.context.store.insert({ ...child.token, parentId: parent.token.id });
    await world.callWith(child.secret);
    await deleteToken(world.context, root, byId(parent.token));
    await expect(world.callWith(child.secret)).rejects.toMatchObject(INVALID);
  });

  test.each<[when: string, change: (world: Awaited<ReturnType<typeof open>>) => void]>([
    ["all is to be forgotten", (world) => world.cache.forget({ type: "reset" })],
    ["the keys are others", (world) => world.changeBasis()],
  ])("any, when %s", async (_, change) => {
    const world = await open();
    const { secret } = await world.issue();
    await world.callWith(secret);
    change(world);
    await world.callWith(secret);
    expect(world.countAsked()).toBe(2);
  });
});

describe("nothing is remembered of an answer that was on its way when the news came", () => {
  test.each<[what: string, asked: number, change: (world: Awaited<ReturnType<typeof open>>, token: Token) => unknown]>([
    ["of its token's change", 2, (world, token) => setActive(world.context, root, byId(token), false)],
    ["of its token's deletion", 2, (world, token) => deleteToken(world.context, root, byId(token))],
    ["that all is to be forgotten", 2, (world) => world.cache.forget({ type: "reset" })],
    ["that the keys are others now", 2, (world) => world.changeBasis()],
    [
      "of more changes than are kept in mind",
      2,
      (world) => {
        for (let n = 0; n <= 10_000; n++) world.cache.forget({ type: "changed", id: `other ${n}` });
      },
    ],
    ["(of another token's, it is)", 1, (world) => world.cache.forget({ type: "deleted", id: "other" })],
  ])("%s", async (_, asked, change) => {
    const world = await open();
    const { token, secret } = await world.issue();
    const answer = world.hold();
    const first = world.callWith(secret);
    await expect.poll(() => world.countAsked()).toBe(1);
    await change(world, token);
    answer();
    await first;
    await world.callWith(secret).catch(() => {});
    expect(1 + world.countAsked()).toBe(asked);
  });

  test("even if another question has begun or ended meanwhile", async () => {
    const world = await open();
    const [one, two] = [await world.issue(), await world.issue()];
    const answer = world.hold();
    const first = world.callWith(one.secret);
    await expect.poll(() => world.countAsked()).toBe(1);
    await setActive(world.context, root, byId(one.token), false);
    world.hold()();
    await world.callWith(two.secret);
    answer();
    await first;
    await expect(world.callWith(one.secret)).rejects.toMatchObject(INVALID);
  });
});

describe("nothing is remembered", () => {
  test("for methods that do more than introspect", async () => {
    const world = await open();
    const { secret } = await world.issue();
    await world.callWith(secret);
    world.countAsked();
    const headers = readMetadata(["authorization", `Bearer ${secret}`]);
    for (const [method, permission] of methodPermissions) {
      await world.cache.authenticate(headers, peer, method);
      expect([method, world.countAsked() === 0]).toEqual([method, permission === "latchkey:introspect"]);
    }
  });

  test("of a refusal: what is switched on again is good at once", async () => {
    const world = await open();
    const { token, secret } = await world.issue({ inactive: true });
    await expect(world.callWith(secret)).rejects.toMatchObject(INVALID);
    await setActive(world.context, root, byId(token), true);
    expect(await world.callWith(secret)).toMatchObject({ token: { id: token.id } });
  });

  test("of a failure", async () => {
    const world = await open();
    const { secret } = await world.issue();
    const find = world.context.store.find;
    Object.assign(world.context.store, { find: () => Promise.reject(new TokenError("STORE_UNAVAILABLE", "down")) });
    await expect(world.callWith(secret)).rejects.toMatchObject(refusal("STORE_UNAVAILABLE", "down"));
    Object.assign(world.context.store, { find });
    expect(await world.callWith(secret)).toMatchObject({ credential: "token" });
  });

  test("while secrets of the token end one after the other", async () => {
    const world = await open();
    const first = await world.issue();
    const handle = byId(first.token);
    const second = await rotateToken(world.context, root, { ...rotation, handle, grace: MINUTE });
    for (const { secret } of [first, second]) {
      await world.callWith(secret);
      await world.callWith(secret);
      expect(world.countAsked()).toBe(2);
    }
    world.pass(MINUTE);
    await expect(world.callWith(first.secret)).rejects.toMatchObject(INVALID);
  });

  test("by a secret that ends before its token", async () => {
    const world = await open();
    const { token, secret } = await world.issue();
    const until = world.context.clock() + MINUTE;
    const ending = changed(token, { digests: token.digests.map((digest) => ({ ...digest, until })) });
    await world.context.store.replace(token, ending);
    await world.callWith(secret);
    world.pass(MINUTE);
    await expect(world.callWith(secret)).rejects.toMatchObject(INVALID);
  });

  test("while a new secret waits for its first use, which ends the old one", async () => {
    const world = await open();
    const first = await world.issue();
    await world.callWith(first.secret);
    const handle = byId(first.token);
    const second = await rotateToken(world.context, root, { ...rotation, handle, activateOnFirstUse: true });
    await world.callWith(first.secret);
    await world.callWith(second.secret);
    await expect(world.callWith(first.secret)).rejects.toMatchObject(INVALID);
  });

  test("of a token that must not go unused: its uses are written in time", async () => {
    const world = await open();
    const { secret } = await world.issue({ kind: "idle" }, root);
    await world.callWith(secret);
    await world.callWith(secret);
    expect(world.countAsked()).toBe(2);
  });

  test("without the header, or with two", async () => {
    const world = await open();
    const { secret } = await world.issue();
    await world.callWith(secret);
    await expect(world.call("te", "trailers")).rejects.toMatchObject(refusal("CREDENTIALS_MISSING"));
    const twice = ["authorization", `Bearer ${secret}`, "authorization", `Bearer ${secret}`];
    await expect(world.call(...twice)).rejects.toMatchObject(INVALID);
  });
});

test("one secret under another scheme, or another in its place, is another question", async () => {
  const world = await open();
  const { secret } = await world.issue();
  await world.callWith(secret);
  for (const header of [`Badge ${secret}`, `Bearer ${secret}x`, `Bearer  ${secret}  `, `Bearer${secret}`, secret]) {
    await expect(world.call("authorization", header)).rejects.toMatchObject(INVALID);
  }
  await world.call("authorization", `bearer ${secret}`);
  expect(world.countAsked()).toBeGreaterThan(1);
});

describe("the memory", () => {
  test("has one place for a token, however it is sent", async () => {
    const world = await open();
    const [{ secret }, other] = [await world.issue(), await world.issue()];
    await world.callWith(other.secret);
    const basic = (user: number) => `Basic ${Buffer.from(`${user}:${secret}`).toString("base64")}`;
    for (let user = 0; user <= MAX_CALLERS; user++) await world.call("authorization", basic(user));
    world.countAsked();
    await world.callWith(other.secret);
    await world.call("authorization", basic(MAX_CALLERS));
    expect(world.countAsked()).toBe(0);
    await world.call("authorization", basic(MAX_CALLERS - 1));
    expect(world.countAsked()).toBe(1);
  });

  test(`holds ${MAX_CALLERS} callers, and lets the oldest go`, async () => {
    const world = await open();
    const tokens = [];
    for (let n = 0; n <= MAX_CALLERS; n++) tokens.push(world.issue());
    const secrets = (await Promise.all(tokens)).map(({ secret }) => secret);
    for (const secret of secrets) await world.callWith(secret);
    world.countAsked();
    for (const secret of secrets.slice(1)) await world.callWith(secret);
    expect(world.countAsked()).toBe(0);
    await world.callWith(secrets[0] as string);
    expect(world.countAsked()).toBe(1);
  }, 60_000);
});
