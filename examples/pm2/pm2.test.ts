import { truncateSync } from "node:fs";
import { dirname, join } from "node:path";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { expect, onTestFinished, test, vi } from "vitest";
import { TokenStatus } from "#gen/latchkey/v1/token_pb.ts";
import { Example, failureOf, onEachStore, ROOT, recordIn, verdictOf } from "../../test/support/example.ts";
import { byId } from "../../test/support/service.ts";

const NOT_FOUND = "NotFound TOKEN_NOT_FOUND: no such token";
const SPENT = "FailedPrecondition SECRET_SPENT: the secret was used up or replaced";

onEachStore(import.meta.dirname, (example) => {
  const bearer = (sub: string, scope: string) => `Bearer ${example.signLogin({ sub, scope })}`;
  /** An account, with the permissions that the login service gives it. */
  const user = (account: string) => example.call(bearer(account, "bucket:read bucket:write"));
  /** The user API itself, which knows the clients. */
  const api = () => example.call(bearer("api", "latchkey:admin"));
  const verdict = (secret: string, scopes: string[] = []) =>
    verdictOf(example.call(bearer("gateway", "latchkey:introspect")).introspect({ secret, scopes }));
  const exchange = (secret: string, wish: { kind?: string; scopes?: string[]; clientId?: string } = {}) =>
    example.call().exchange({ secret, kind: "access", ...wish });

  async function makeRefresh(account: string, scopes: string[] = [], kind = "refresh") {
    const answer = await user(account).create({ kind, scopes });
    return { token: recordIn(answer), secret: answer.secret };
  }

  test("makes a refresh token with the permission that is asked for", async () => {
    const account = example.name("ada");
    const { token, secret } = await makeRefresh(account, ["bucket:read"]);
    expect(token).toMatchObject({ kind: "refresh", subject: account, scopes: ["bucket:read"], active: true });
    expect(token.expireTime).toBeUndefined();
    expect(await verdict(secret, ["bucket:read"])).toBe("ACTIVE");
    expect(await verdict(secret, ["bucket:write"])).toBe("SCOPE");
  });

  test("takes every scope that RFC 6749 has, and nothing else", async () => {
    const admin = example.call(ROOT);
    const subject = example.name("ada");
    for (const scope of ["a", "!", "#", "[", "]", "~", "urn:pm2:bucket/1?all=*", "A", "^_`{|}"]) {
      expect(recordIn(await admin.create({ kind: "refresh", subject, scopes: [scope] })).scopes).toEqual([scope]);
    }
    for (const scope of ["", " ", "a b", "a\tb", 'a"', "a\\b", "ä", "bucket：read", "а", "a\u007f"]) {
      const call = admin.create({ kind: "refresh", subject, scopes: ["a", scope] });
      expect(await failureOf(call), JSON.stringify(scope)).toMatch(/^InvalidArgument INVALID_REQUEST: scopes\[1\]: /);
    }
  });

  test("grants no permission that the account lacks, by not one letter", async () => {
    const account = example.name("ada");
    for (const scope of ["bucket:delete", "Bucket:read", "bucket:*", "latchkey:admin"]) {
      expect(await failureOf(makeRefresh(account, ["bucket:read", scope]))).toBe(
        `PermissionDenied SCOPE_BEYOND_CALLER: scopes[1]: you can't grant ${scope}, for you don't have it`,
      );
    }
    expect((await user(account).list({})).tokens).toEqual([]);
  });

  test("deletes with a refresh token every access token that was made with it, and no other", async () => {
    const account = example.name("ada");
    const refresh = await makeRefresh(account);
    const other = await makeRefresh(account);
    const gone = [
      refresh,
      await exchange(refresh.secret),
      await exchange(refresh.secret),
      await exchange(refresh.secret, { kind: "access-opaque" }),
    ];
    const kept = [other, await exchange(other.secret)];
    for (const { secret } of [...gone, ...kept]) expect(await verdict(secret)).toBe("ACTIVE");

    const { deletedCount } = await user(account).delete({ token: byId(refresh.token.id) });
    expect(deletedCount).toBe(4n);
    for (const { secret } of gone) expect(await verdict(secret)).toBe("UNKNOWN");
    for (const { secret } of kept) expect(await verdict(secret)).toBe("ACTIVE");
    expect(await failureOf(exchange(refresh.secret))).toBe(NOT_FOUND);
    expect(await failureOf(user(account).delete({ token: byId(refresh.token.id) }))).toBe(NOT_FOUND);
  });

  test("leaves no access token of an exchange that runs beside the deletion", async () => {
    for (let round = 0; round < 3; round++) {
      const account = example.name("ada");
      const { token, secret } = await makeRefresh(account);
      const made: string[] = [];
      const exchangeUntilGone = async (): Promise<void> => {
        for (;;) made.push((await exchange(secret)).secret);
      };
      const loops = Array.from({ length: 10 }, () => failureOf(exchangeUntilGone()));
      await vi.waitFor(() => expect(made.length).toBeGreaterThan(10), { interval: 1 });
      await user(account).delete({ token: byId(token.id) });
      expect(new Set(await Promise.all(loops))).toEqual(new Set([NOT_FOUND]));
      expect(new Set(await Promise.all(made.map((access) => verdict(access))))).toEqual(new Set(["UNKNOWN"]));
      expect((await user(account).list({})).tokens).toEqual([]);
    }
  });

  test("lists the refresh tokens of the account that are active, and no others", async () => {
    const account = example.name("ada");
    const kinds = ["refresh", "refresh-rotating"];
    const active = () => user(account).list({ kinds, status: TokenStatus.ACTIVE });
    expect((await active()).tokens).toEqual([]);

    const reusable = await makeRefresh(account);
    const rotating = await makeRefresh(account, [], "refresh-rotating");
    const off = await makeRefresh(account);
    const deleted = await makeRefresh(account);
    await makeRefresh(example.name("bob"));
    await exchange(reusable.secret);
    await user(account).setActive({ token: byId(off.token.id), active: false });
    await user(account).delete({ token: byId(deleted.token.id) });
    const lifetime = { case: "ttl", value: { seconds: 0n, nanos: 200_000_000 } } as const;
    const expired = await user(account).create({ kind: "refresh", lifetime });
    await vi.waitFor(async () => expect(await verdict(expired.secret)).toBe("EXPIRED"), { timeout: 2_000 });

    const { tokens } = await active();
    expect(new Set(tokens.map(({ id }) => id))).toEqual(new Set([reusable.token.id, rotating.token.id]));
  });

  test("gives access tokens as JWT or opaque, each with the moment at which it expires", async () => {
    const account = example.name("ada");
    const { token, secret } = await makeRefresh(account, ["bucket:read", "bucket:write"]);
    const opaque = await exchange(secret, { kind: "access-opaque" });
    expect(opaque.secret).toMatch(/^pm2_acc_/);
    const jwt = await exchange(secret);
    for (const access of [opaque, jwt]) {
      const { createTime, expireTime, ...record } = recordIn(access);
      expect(record).toMatchObject({ parentId: token.id, scopes: ["bucket:read", "bucket:write"] });
      expect(Number(expireTime?.seconds) - Number(createTime?.seconds)).toBe(3_600);
      expect(await verdict(access.secret, ["bucket:read"])).toBe("ACTIVE");
    }
    const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", example.url));
    const verified = await jwtVerify(jwt.secret, keys, { issuer: "https://api.pm2.example", algorithms: ["ES256"] });
    expect(verified.payload).toMatchObject({
      sub: account,
      scope: "bucket:read bucket:write",
      exp: Number(recordIn(jwt).expireTime?.seconds),
    });
    expect(await failureOf(exchange(secret, { kind: "" }))).toBe(
      "InvalidArgument EXCHANGE_NOT_ALLOWED: kind: tokens of kind refresh are exchanged for access, access-opaque",
    );
  });

  test("gives an access token fewer permissions where fewer are asked for, never more", async () => {
    const { secret } = await makeRefresh(example.name("ada"), ["bucket:read"]);
    const both = await makeRefresh(example.name("bob"), ["bucket:read", "bucket:write"]);
    const narrow = await exchange(both.secret, { scopes: ["bucket:read"] });
    expect(await verdict(narrow.secret, ["bucket:read"])).toBe("ACTIVE");
    expect(await verdict(narrow.secret, ["bucket:write"])).toBe("SCOPE");
    expect(await failureOf(exchange(secret, { scopes: ["bucket:write"] }))).toBe(
      "InvalidArgument SCOPE_WIDENED: scopes[0]: the token has no bucket:write",
    );
  });

  test("takes a reusable refresh token again and again", async () => {
    const { token, secret } = await makeRefresh(example.name("ada"));
    const answers = await Promise.all(Array.from({ length: 10 }, () => exchange(secret)));
    expect(new Set(answers.map((answer) => answer.secret)).size).toBe(10);
    for (const answer of answers) {
      expect(answer.parentSecret).toBe("");
      expect(recordIn(answer).parentId).toBe(token.id);
    }
    expect(await verdict(secret)).toBe("ACTIVE");
  });

  test("gives a new refresh token with each access token where it rotates", async () => {
    const { token, secret } = await makeRefresh(example.name("ada"), [], "refresh-rotating");
    const first = await exchange(secret);
    expect(first.parentSecret).toMatch(/^pm2_rot_/);
    expect(first.parentSecret).not.toBe(secret);
    const second = await exchange(first.parentSecret);
    expect(recordIn(second).parentId).toBe(token.id);
    expect(await verdict(second.parentSecret)).toBe("ACTIVE");
    for (const access of [first, second]) expect(await verdict(access.secret)).toBe("ACTIVE");
  });

  test("ends a rotating refresh token and its access tokens when an old one comes back", async () => {
    const { secret } = await makeRefresh(example.name("ada"), [], "refresh-rotating");
    const first = await exchange(secret);
    const second = await exchange(first.parentSecret);
    expect(await failureOf(exchange(secret))).toBe(SPENT);
    for (const text of [first.secret, second.secret, second.parentSecret]) expect(await verdict(text)).toBe("UNKNOWN");
    expect(await failureOf(exchange(second.parentSecret))).toBe(NOT_FOUND);
    expect(example.logged).toContain("spent secret presented");
  });

  test("lets one of many exchange a rotating refresh token at the same moment", async () => {
    const { secret } = await makeRefresh(example.name("ada"), [], "refresh-rotating");
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => exchange(secret)));
    expect(tries.filter(({ status }) => status === "fulfilled").length).toBe(1);
  });

  test("binds a refresh token and its access tokens to the client that it is made for", async () => {
    const account = example.name("ada");
    const made = await api().create({ kind: "refresh", subject: account, clientId: "cli-1", scopes: ["bucket:read"] });
    expect(recordIn(made)).toMatchObject({ clientId: "cli-1", creator: "pm2/api" });
    const access = await exchange(made.secret, { clientId: "cli-1" });
    expect(recordIn(access).clientId).toBe("cli-1");
    const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", example.url));
    expect((await jwtVerify(access.secret, keys)).payload.client_id).toBe("cli-1");

    const refused =
      "PermissionDenied CLIENT_MISMATCH: client_id: must be the client that the token is bound to, or unset if it is to none";
    expect(await failureOf(exchange(made.secret))).toBe(refused);
    expect(await failureOf(exchange(made.secret, { clientId: "cli-2" }))).toBe(refused);
    const unbound = await makeRefresh(account);
    expect(await failureOf(exchange(unbound.secret, { clientId: "cli-1" }))).toBe(refused);
    expect(await failureOf(user(account).create({ kind: "refresh", clientId: "cli-1" }))).toBe(
      "PermissionDenied FIELD_NOT_ALLOWED: client_id: only administrators may set it",
    );
    const { deletedCount } = await api().deleteAll({ subject: account, clientId: "cli-1" });
    expect(deletedCount).toBe(2n);
    expect(await verdict(unbound.secret)).toBe("ACTIVE");
  });

  test("knows its callers by Bearer: by a login, by an access token, and by nothing else", async () => {
    const account = example.name("ada");
    const { secret } = await makeRefresh(account, ["latchkey:self"]);
    const [jwt, opaque] = [await exchange(secret), await exchange(secret, { kind: "access-opaque" })];
    for (const access of [jwt, opaque]) {
      expect((await example.call(`Bearer ${access.secret}`).list({})).tokens.length).toBe(3);
      const create = example.call(`Bearer ${access.secret}`).create({ kind: "refresh" });
      expect(await failureOf(create)).toMatch(/^PermissionDenied KIND_NOT_ALLOWED: /);
    }
    expect(await failureOf(example.call().list({}))).toMatch(/^Unauthenticated CREDENTIALS_MISSING: /);
    for (const authorization of [`DPoP ${jwt.secret}`, jwt.secret, "Bearer", `Bearer ${jwt.secret.slice(0, -4)}AAAA`]) {
      expect(await failureOf(example.call(authorization).list({}))).toBe(
        "Unauthenticated CREDENTIALS_INVALID: the credentials are not valid",
      );
    }
  });

  test("answers 404 for an unknown token and 409 for a conflict over HTTP", async () => {
    const account = example.name("ada");
    const authorization = bearer(account, "bucket:read");
    const missing = await post(example.url, "Delete", authorization, { id: "0000000000000000000" });
    expect(missing).toEqual({ status: 404, code: "not_found", reason: "TOKEN_NOT_FOUND" });

    const requestId = crypto.randomUUID();
    const wish = { kind: "refresh", scopes: ["bucket:read"], requestId };
    expect(await post(example.url, "Create", authorization, wish)).toMatchObject({ status: 200 });
    expect(await post(example.url, "Create", authorization, wish)).toMatchObject({ status: 200 });
    const conflict = await post(example.url, "Create", authorization, { ...wish, scopes: [] });
    expect(conflict).toEqual({ status: 409, code: "already_exists", reason: "REQUEST_ID_REUSED" });
    expect((await user(account).list({})).tokens.length).toBe(1);

    expect(await post(example.url, "List", "", {})).toMatchObject({ status: 401, code: "unauthenticated" });
  });

  test("answers 503 over HTTP when its database fails, and nothing that could be taken for a token that is gone", async () => {
    const fragile = new Example(import.meta.dirname);
    onTestFinished(() => fragile.stop());
    await fragile.start(example.redis ? "Redis" : "SQLite", {});
    const claims = { filler: "x".repeat(4_000) };
    const made = await Promise.all(
      Array.from({ length: 50 }, () => fragile.call(ROOT).create({ kind: "refresh", subject: "ada", claims })),
    );
    await breakDatabase(fragile);

    const unavailable = { status: 503, code: "unavailable", reason: "STORE_UNAVAILABLE" };
    const [oldest] = made;
    for (const [method, body] of [
      ["List", { subject: "ada", pageSize: 1000 }],
      ["Delete", { id: oldest?.token?.id }],
      ["Introspect", { secret: oldest?.secret }],
      ["Exchange", { secret: oldest?.secret, kind: "access" }],
    ] as const) {
      expect(await post(fragile.url, method, ROOT, body), method).toEqual(unavailable);
    }
  });
});

/** Calls over HTTP and JSON, as curl does. */
async function post(url: string, method: string, authorization: string, body: object) {
  const response = await fetch(`${url}/latchkey.v1.TokenService/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(authorization && { authorization }) },
    body: JSON.stringify(body),
  });
  const { code, details } = (await response.json()) as { code?: string; details?: { debug?: { reason?: string } }[] };
  return { status: response.status, code, reason: details?.[0]?.debug?.reason };
}

async function breakDatabase(example: Example): Promise<void> {
  if (example.redis) return example.redis.kill();
  // What SQLite has read once it does not read again.
  await example.restart();
  truncateSync(join(dirname(example.issuersPath), "latchkey.db"), 4096);
}
