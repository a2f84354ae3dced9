import { describe, expect, test } from "vitest";
import type { Authenticate } from "../../src/auth/authenticate.ts";
import { createCallerCache, type TokenChange } from "../../src/auth/caller-cache.ts";
import { type Caller, createCaller } from "../../src/domain/caller.ts";
import { keepSecret } from "../../src/domain/mint.ts";
import type { Token } from "../../src/domain/token.ts";
import { readMetadata } from "../../src/wire/request.ts";
import { keyRing, NOW, tokenOf } from "../domain/world.ts";

const peer = { protocol: "grpc", address: "" };
const digests = [keepSecret(keyRing(1), "a secret")];

function callerWith(token: Token | undefined): Caller {
  return createCaller({ credential: "token", tenant: "acme", subject: "ada", scopes: ["latchkey:self"], token });
}

/** A memory before an `authenticate` that counts, and answers what `answer` says. */
function open(
  answer: () => Promise<Caller> = async () => callerWith(tokenOf({ digests })),
  headers = ["authorization"],
) {
  let now = NOW;
  let asked = 0;
  const used: Token[] = [];
  const authenticate: Authenticate = () => {
    asked++;
    return answer();
  };
  const noteUse = (token: Token) => void used.push(token);
  const cache = createCallerCache({ authenticate, headers, noteUse, clock: () => now });
  return {
    forget: cache.forget,
    call: (...rawHeaders: string[]) =>
      cache.authenticate(readMetadata(rawHeaders.length > 0 ? rawHeaders : ["authorization", "Bearer one"]), peer),
    pass(span: number) {
      now += span;
    },
    get asked() {
      return asked;
    },
    used,
  };
}

describe("a caller with a token is remembered", () => {
  test("by the whole header, and each use is noted", async () => {
    const world = open();
    const first = await world.call();
    expect(await world.call()).toBe(first);
    expect([world.asked, world.used.length]).toEqual([1, 1]);
    await world.call("authorization", "Bearer two");
    await world.call("authorization", "bearer one");
    expect(world.asked).toBe(3);
  });

  test("for a second, and not longer", async () => {
    const world = open();
    await world.call();
    world.pass(999);
    await world.call();
    expect(world.asked).toBe(1);
    world.pass(1);
    await world.call();
    expect(world.asked).toBe(2);
  });

  test("not when the clock has gone back", async () => {
    const world = open();
    await world.call();
    world.pass(-1000);
    await world.call();
    expect(world.asked).toBe(2);
  });

  test("until the token expires", async () => {
    const world = open(async () => callerWith(tokenOf({ digests, expireTime: NOW + 10 })));
    await world.call();
    world.pass(9);
    await world.call();
    expect(world.asked).toBe(1);
    world.pass(1);
    await world.call();
    expect(world.asked).toBe(2);
  });

  test.each<TokenChange>([
    { type: "changed", id: "abcABCDEFGHIJKLMNOP" },
    { type: "deleted", id: "abcABCDEFGHIJKLMNOP" },
    { type: "reset" },
  ])("until the news of a change: %j", async (change) => {
    const world = open();
    await world.call();
    await world.call("authorization", "Bearer two");
    world.forget(change);
    await world.call();
    await world.call("authorization", "Bearer two");
    expect(world.asked).toBe(4);
  });

  test("also after the news of another token's", async () => {
    const world = open();
    await world.call();
    world.forget({ type: "deleted", id: "zzzABCDEFGHIJKLMNOP" });
    await world.call();
    expect(world.asked).toBe(1);
  });

  test("by all headers that tell who calls", async () => {
    const world = open(undefined, ["authorization", "x-app-id"]);
    await world.call("authorization", "Bearer one", "x-app-id", "acme");
    await world.call("authorization", "Bearer one", "x-app-id", "acme");
    expect(world.asked).toBe(1);
    await world.call("authorization", "Bearer one", "x-app-id", "globex");
    await world.call("authorization", "Bearer one");
    expect(world.asked).toBe(3);
  });
});

describe("nothing is remembered", () => {
  test("of a refusal", async () => {
    const world = open(async () => Promise.reject(new Error("no")));
    await expect(world.call()).rejects.toThrow("no");
    await expect(world.call()).rejects.toThrow("no");
    expect(world.asked).toBe(2);
  });

  test("of a caller without a token", async () => {
    const world = open(async () => callerWith(undefined));
    await world.call();
    await world.call();
    expect(world.asked).toBe(2);
  });

  test("while the token has several secrets, for they end one after the other", async () => {
    const [digest] = digests;
    const several = [...digests, { ...keepSecret(keyRing(1), "another"), until: NOW + 60_000 }];
    for (const list of [several, [{ ...digest, until: NOW + 60_000 }]]) {
      const world = open(async () => callerWith(tokenOf({ digests: list as Token["digests"] })));
      await world.call();
      await world.call();
      expect(world.asked).toBe(2);
    }
  });

  test("while the token must not go unused, for its uses are written before their answer", async () => {
    const world = open(async () => callerWith(tokenOf({ digests, idleTimeout: 600_000 })));
    await world.call();
    await world.call();
    expect(world.asked).toBe(2);
  });

  test("without the header, or with two", async () => {
    const world = open();
    for (const headers of [
      ["te", "trailers"],
      ["authorization", "Bearer one", "authorization", "Bearer one"],
    ]) {
      await world.call(...headers);
      await world.call(...headers);
    }
    expect(world.asked).toBe(4);
  });

  test.each<[boolean, TokenChange]>([
    [false, { type: "deleted", id: "abcABCDEFGHIJKLMNOP" }],
    [false, { type: "reset" }],
    [true, { type: "deleted", id: "zzzABCDEFGHIJKLMNOP" }],
  ])("that was asked for before the news of its change (kept: %s, %j)", async (isKept, change) => {
    const { promise, resolve } = Promise.withResolvers<Caller>();
    const world = open(() => promise);
    const asking = world.call();
    world.forget(change);
    resolve(callerWith(tokenOf({ digests })));
    await asking;
    await world.call();
    expect(world.asked).toBe(isKept ? 1 : 2);
  });
});

test("the memory holds ten thousand callers, and lets the oldest go", async () => {
  const world = open();
  for (let n = 0; n <= 10_000; n++) await world.call("authorization", `Bearer ${n}`);
  await world.call("authorization", "Bearer 10000");
  await world.call("authorization", "Bearer 1");
  expect(world.asked).toBe(10_001);
  await world.call("authorization", "Bearer 0");
  expect(world.asked).toBe(10_002);
});
