import { createRemoteJWKSet, decodeJwt, jwtVerify } from "jose";
import { expect, test, vi } from "vitest";
import { type Token, TokenStatus } from "#gen/latchkey/v1/token_pb.ts";
import { readKindsFile } from "../../src/config/kinds-file.ts";
import { listTokens } from "../../src/domain/list.ts";
import { findSecrets } from "../../test/canary/search.ts";
import { ada, openWorld } from "../../test/domain/world.ts";
import { failureOf, onEachStore, ROOT, recordIn, verdictOf } from "../../test/support/example.ts";
import { byId } from "../../test/support/service.ts";

onEachStore(import.meta.dirname, (example) => {
  /** The `authorization` of a user who has just given a password to the login service. */
  const strong = (username: string) => `Bearer ${example.signLogin({ sub: username })}`;
  const user = (username: string) => example.call(strong(username));
  /** The node's API, which asks about what it is presented. */
  const api = () => example.call(`Bearer ${example.signLogin({ sub: "api", scope: "latchkey:introspect" })}`);
  const verdict = (secret: string) => verdictOf(api().introspect({ secret }));

  const inWords = (value: string) => ({ case: "life", value }) as const;
  async function make(username: string, label: string, life = "6 hours", scopes: string[] = []) {
    const answer = await user(username).create({ kind: "specter", label, lifetime: inWords(life), scopes });
    return { token: recordIn(answer), secret: answer.secret };
  }

  /** What `GET /v1alpha/token` shows of each token, by its id. */
  async function list(username: string) {
    const { tokens } = await user(username).list({});
    return new Map(tokens.map((token) => [token.id, describeToken(token)]));
  }

  test("makes a token with a description and a life in words", async () => {
    const username = example.name("ada");
    const { token, secret } = await make(username, "A token for the shop");
    expect(token).toMatchObject({ label: "A token for the shop", life: { seconds: 21_600n, nanos: 0 } });
    const { exp = 0, iat = 0, ...claims } = decodeJwt(secret);
    expect(exp - iat).toBe(21_600);
    expect(claims).toMatchObject({
      username,
      jwt_token_id: token.id,
      jwt_token_description: "A token for the shop",
    });
    expect(await verdict(secret)).toBe("ACTIVE");
  });

  test("reads a life in words or in the form of ISO 8601", async () => {
    const username = example.name("ada");
    const lives = [
      ["90 seconds", 90n],
      ["1 hour 30 minutes", 5_400n],
      ["2d", 172_800n],
      ["P1W", 604_800n],
    ] as const;
    for (const [life, seconds] of lives) {
      const { token } = await make(username, life, life);
      expect(token.life, life).toMatchObject({ seconds, nanos: 0 });
    }
  });

  test("refuses a life that is none, and says what one looks like", async () => {
    for (const life of ["6", "six hours", "hours", "-6 hours", "6 hours ago", "6 moons"]) {
      expect(await failureOf(make(example.name("ada"), "any", life)), life).toMatch(
        /^InvalidArgument LIFETIME_INVALID: life: must be a number and a unit/,
      );
    }
  });

  test("refuses a life of nothing", async () => {
    expect(await failureOf(make(example.name("ada"), "any", "0 hours"))).toBe(
      "InvalidArgument LIFETIME_INVALID: life: must end in the future, a millisecond from now or later",
    );
  });

  test("lists a user's tokens with their life and what is left of it by the server's clock", async () => {
    const username = example.name("ada");
    const shop = await make(username, "shop");
    const phone = await make(username, "phone", "2 days");
    await make(example.name("bob"), "another user's");
    expect(await list(username)).toEqual(
      new Map([
        [phone.token.id, { description: "phone", life: 172_800, remaining: expect.any(Number), status: "Valid" }],
        [shop.token.id, { description: "shop", life: 21_600, remaining: expect.any(Number), status: "Valid" }],
      ]),
    );
    const first = (await list(username)).get(shop.token.id)?.remaining ?? 0;
    expect(first).toBeGreaterThan(21_500);
    expect(first).toBeLessThanOrEqual(21_600);
    await vi.waitFor(async () => expect((await list(username)).get(shop.token.id)?.remaining).toBeLessThan(first));
  });

  test("answers an empty list to a user who has none", async () => {
    expect(await list(example.name("ada"))).toEqual(new Map());
  });

  test("shows one token with its expiry status, to its user alone", async () => {
    const username = example.name("ada");
    const { token } = await make(username, "shop");
    const one = recordIn(await user(username).get({ token: byId(token.id) }));
    expect(describeToken(one)).toMatchObject({ description: "shop", life: 21_600, status: "Valid" });
    const foreign = user(example.name("bob")).get({ token: byId(token.id) });
    expect(await failureOf(foreign)).toBe("NotFound TOKEN_NOT_FOUND: no such token");
  });

  test("lists an expired token with nothing left, until its user deletes it", async () => {
    const username = example.name("ada");
    const { token, secret } = await make(username, "short", "500ms");
    await vi.waitFor(async () => expect(await verdict(secret)).toBe("EXPIRED"), { timeout: 2_000 });
    expect((await list(username)).get(token.id)).toEqual({
      description: "short",
      life: 0.5,
      remaining: 0,
      status: "Expired",
    });
    const one = recordIn(await user(username).get({ token: byId(token.id) }));
    expect(describeToken(one)).toMatchObject({ remaining: 0, status: "Expired" });
    await user(username).delete({ token: byId(token.id) });
    expect(await list(username)).toEqual(new Map());
  });

  test("requires a description that is not blank", async () => {
    for (const label of ["", "   "]) {
      expect(await failureOf(make(example.name("ada"), label))).toBe(
        "InvalidArgument LABEL_REQUIRED: label: is required and unique for this kind",
      );
    }
  });

  test("requires a description that the user's other tokens don't have", async () => {
    const username = example.name("ada");
    const { token } = await make(username, "shop");
    expect(await failureOf(make(username, "shop"))).toMatch(/^AlreadyExists LABEL_TAKEN: /);
    await make(example.name("bob"), "shop");
    await user(username).delete({ token: byId(token.id) });
    await make(username, "shop");
  });

  test("gives one of many who ask for the same description at once a token", async () => {
    const username = example.name("ada");
    const asked = await Promise.allSettled(Array.from({ length: 20 }, () => make(username, "shop")));
    expect(asked.filter(({ status }) => status === "fulfilled").length).toBe(1);
    expect((await list(username)).size).toBe(1);
  });

  test("lets a login make tokens, as Bearer and as Basic", async () => {
    const username = example.name("ada");
    const jwt = example.signLogin({ sub: username });
    const basic = `Basic ${Buffer.from(`${username}:${jwt}`).toString("base64")}`;
    const made = await example.call(basic).create({ kind: "specter", label: "by Basic" });
    expect(recordIn(made).subject).toBe(username);
  });

  test("lets no token make tokens, whatever it may do and however it is sent", async () => {
    const { secret } = await make(example.name("ada"), "shop", "6 hours", ["latchkey:self"]);
    const basic = `Basic ${Buffer.from(`ada:${secret}`).toString("base64")}`;
    for (const authorization of [`Bearer ${secret}`, `Token ${secret}`, basic]) {
      const weak = example.call(authorization);
      expect((await weak.list({})).tokens.length).toBe(1);
      expect(await failureOf(weak.create({ kind: "specter", label: "more" }))).toBe(
        "PermissionDenied KIND_NOT_ALLOWED: kind: tokens of kind specter are made by administrators or other credentials",
      );
    }
    const none = example.call().create({ kind: "specter", label: "more" });
    expect(await failureOf(none)).toMatch(/^Unauthenticated CREDENTIALS_MISSING: /);
  });

  test("revokes a token at once when it is deleted, though its signature goes on to be right", async () => {
    const username = example.name("ada");
    const { token, secret } = await make(username, "shop", "6 hours", ["latchkey:self"]);
    expect(await verdict(secret)).toBe("ACTIVE");
    await user(username).delete({ token: byId(token.id) });
    const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", example.url));
    expect((await jwtVerify(secret, keys)).payload.jwt_token_id).toBe(token.id);
    expect(await verdict(secret)).toBe("UNKNOWN");
    expect(await failureOf(example.call(`Bearer ${secret}`).list({}))).toMatch(
      /^Unauthenticated CREDENTIALS_INVALID: /,
    );
    const again = user(username).delete({ token: byId(token.id) });
    expect(await failureOf(again)).toBe("NotFound TOKEN_NOT_FOUND: no such token");
  });

  test("goes on with its keys after a restart: a token that is listed as valid is valid", async () => {
    const username = example.name("ada");
    const { token, secret } = await make(username, "shop");
    await example.restart();
    expect((await list(username)).get(token.id)?.status).toBe("Valid");
    expect(await verdict(secret)).toBe("ACTIVE");
    const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", example.url));
    expect((await jwtVerify(secret, keys)).payload.jwt_token_id).toBe(token.id);
  });

  test("writes nothing of a token's payload into the log", async () => {
    const username = example.name("ada");
    const { token, secret } = await make(username, "the description that must not be logged", "6 hours", [
      "latchkey:self",
    ]);
    const holder = example.call(`Bearer ${secret}`);
    await verdict(secret);
    await verdict(`${secret.slice(0, -4)}AAAA`);
    await holder.list({});
    await failureOf(holder.create({ kind: "specter", label: secret }));
    await failureOf(make(username, "the description that must not be logged"));
    await example.call(ROOT).delete({ token: byId(token.id) });
    await failureOf(holder.list({}));
    expect(example.logged).toContain(`"tokenId":"${token.id}"`);
    const [, payload = "", signature = ""] = secret.split(".");
    const secrets = [
      { name: "the JWT", text: secret },
      { name: "its payload", text: payload },
      { name: "its payload in clear", text: JSON.stringify(decodeJwt(secret)) },
      { name: "its signature", text: signature },
      { name: "its description", text: "the description that must not be logged" },
      { name: "the login", text: strong(username).split(".")[1] ?? "" },
    ];
    expect(findSecrets(secrets, [{ name: "the log", content: example.logged }])).toEqual([]);
  });
});

test("an expired token is still listed after fifty years", async () => {
  const kinds = readKindsFile(`${import.meta.dirname}/kinds.yaml`);
  const world = await openWorld(...kinds.values());
  const { token } = await world.issue({ kind: "specter", label: "shop", lifetime: { type: "life", text: "6 hours" } });
  world.pass(50 * 365 * 24 * 3_600_000);
  const query = { tenant: "", subject: "", filter: { status: "EXPIRED" }, pageSize: 0, pageToken: "" } as const;
  const { tokens } = await listTokens(world.context, ada, query);
  expect(tokens.map(({ id }) => id)).toEqual([token.id]);
});

/** In seconds, as Specter has it. */
function describeToken({ label, life, remainingLife, status }: Token) {
  const toSeconds = (span: Token["life"]) => Number(span?.seconds) + (span?.nanos ?? 0) / 1e9;
  return {
    description: label,
    life: toSeconds(life),
    remaining: toSeconds(remainingLife),
    status: status === TokenStatus.ACTIVE ? "Valid" : "Expired",
  };
}
