import { createRemoteJWKSet, decodeJwt, jwtVerify } from "jose";
import { expect, test, vi } from "vitest";
import { bySecret, failureOf, onEachStore, recordIn, verdictOf } from "../../test/support/example.ts";
import { byId } from "../../test/support/service.ts";

const HOUR = 3_600n;
const DAY = 24n * HOUR;

const LINK_USED = "FailedPrecondition TOKEN_NOT_ACTIVE: the token is exhausted";
const NOT_GOOD = "Unauthenticated CREDENTIALS_INVALID: the credentials are not valid";

onEachStore(import.meta.dirname, (example) => {
  /** Somebody of an application, or of IdentityX itself, who calls for the application in `x-app-id`. */
  const by = (sub: string, home: string, scope: string, app: string) =>
    example.call({ authorization: `Bearer ${example.signLogin({ sub, scope, app: home })}`, "x-app-id": app });
  /** IdentityX's API, which serves all applications: mails links, deletes users. */
  const api = (app: string) => by("api", "identityx", "latchkey:root", app);
  /** What stands before an application's services, and asks about what they are presented. */
  const gateway = (app: string) => by("gateway", app, "latchkey:introspect", app);
  const verdict = (app: string, secret: string, ...kinds: string[]) =>
    verdictOf(gateway(app).introspect({ secret, kinds }));

  /** Logs somebody in who works in the application: `OrgUser`. Such users see and make tokens of their own. */
  async function logInUser(app: string, subject: string) {
    const link = await api(app).create({ kind: "user-login-link", subject, scopes: ["latchkey:self"] });
    return example.call().exchange({ secret: link.secret });
  }

  /** Logs a user of the application in: `AppUser`. */
  async function logInAppUser(app: string, subject: string) {
    const link = await api(app).create({ kind: "app-user-login-link", subject });
    return example.call().exchange({ secret: link.secret });
  }

  test("mails a link of an hour that is exchanged for a login without end", async () => {
    const app = example.name("app");
    for (const [linkKind, authKind] of [
      ["user-login-link", "user-auth"],
      ["app-user-login-link", "app-user-auth"],
    ] as const) {
      const link = await api(app).create({ kind: linkKind, subject: "ada@example.com" });
      expect(recordIn(link).life).toMatchObject({ seconds: HOUR, nanos: 0 });
      const auth = await example.call().exchange({ secret: link.secret });
      expect(recordIn(auth)).toMatchObject({ kind: authKind, subject: "ada@example.com", parentId: link.token?.id });
      expect(recordIn(auth).expireTime).toBeUndefined();
      expect(decodeJwt(auth.secret).exp).toBeUndefined();
      expect(await verdict(app, auth.secret, authKind)).toBe("ACTIVE");
    }
  });

  test("takes a link once, also if many present it at the same moment", async () => {
    const app = example.name("app");
    const { secret, token } = await api(app).create({ kind: "user-login-link", subject: "ada@example.com" });
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => example.call().exchange({ secret })));
    expect(tries.filter(({ status }) => status === "fulfilled").length).toBe(1);
    for (const lost of tries) {
      if (lost.status === "rejected") expect(await failureOf(Promise.reject(lost.reason))).toBe(LINK_USED);
    }
    expect(await failureOf(example.call().exchange({ secret }))).toBe(LINK_USED);
    expect((await api(app).list({ parentId: token?.id ?? "" })).tokens.length).toBe(1);
  });

  test("gives an invitation thirty days, and no link any other life", async () => {
    const app = example.name("app");
    const wish = { kind: "user-login-link", subject: "new@example.com" };
    const invitation = await api(app).create({ ...wish, lifetime: { case: "life", value: "30 days" } });
    expect(recordIn(invitation).life).toMatchObject({ seconds: 30n * DAY, nanos: 0 });
    expect(recordIn(await example.call().exchange({ secret: invitation.secret })).kind).toBe("user-auth");
    const other = api(app).create({ ...wish, lifetime: { case: "life", value: "2 days" } });
    expect(await failureOf(other)).toBe(
      "InvalidArgument LIFETIME_INVALID: life: tokens of kind user-login-link live 1 hour or 30 days",
    );
    const endless = api(app).create({ ...wish, lifetime: { case: "permanent", value: true } });
    expect(await failureOf(endless)).toBe(
      "InvalidArgument PERMANENT_NOT_ALLOWED: permanent: not for tokens of kind user-login-link",
    );
  });

  test("signs purpose, application, address and free data into the token", async () => {
    const app = example.name("app");
    const data = { loginSource: "newsletter", tags: ["a", "b"] };
    const link = await api(app).create({ kind: "app-user-login-link", subject: "ada@example.com", claims: { data } });
    const auth = await example.call().exchange({ secret: link.secret });
    const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", example.url));
    for (const [{ secret, token }, purpose] of [
      [link, "app-user-login-link"],
      [auth, "app-user-auth"],
    ] as const) {
      const { payload } = await jwtVerify(secret, keys, { issuer: app, audience: "ada@example.com", subject: purpose });
      expect(payload).toMatchObject({ jti: token?.id, iat: Number(token?.createTime?.seconds), data });
    }
    const seen = await gateway(app).introspect({ secret: auth.secret });
    expect(recordIn(seen).claims).toEqual({ data });
  });

  test("accepts a token for its own purpose only, and a link that was refused stays good", async () => {
    const app = example.name("app");
    const { secret } = await api(app).create({ kind: "user-login-link", subject: "ada@example.com" });
    expect(await verdict(app, secret, "user-auth", "user-api-token")).toBe("KIND");
    const login = await logInUser(app, "ada@example.com");
    expect(await verdict(app, login.secret, "app-user-auth")).toBe("KIND");
    expect(await verdict(app, login.secret, "user-auth", "user-api-token")).toBe("ACTIVE");
    const other = example.call().exchange({ secret, kind: "app-user-auth" });
    expect(await failureOf(other)).toBe(
      "InvalidArgument EXCHANGE_NOT_ALLOWED: kind: tokens of kind user-login-link are exchanged for user-auth",
    );
    expect(recordIn(await example.call().exchange({ secret })).kind).toBe("user-auth");
  });

  test("tells AppUser, OrgUser and OrgUserApiToken apart by the scheme", async () => {
    const app = example.name("app");
    const login = await logInUser(app, "ada@example.com");
    const apiToken = await example
      .call(`OrgUser ${login.secret}`)
      .create({ kind: "user-api-token", scopes: ["latchkey:self"] });
    const appUser = await logInAppUser(app, "user@example.com");
    const list = (authorization: string) => example.call(authorization).list({});

    expect((await list(`OrgUser ${login.secret}`)).tokens.length).toBe(3);
    expect((await list(`OrgUserApiToken ${apiToken.secret}`)).tokens.length).toBe(3);
    // An application's user is known by its scheme, but may not call Latchkey itself.
    expect(await failureOf(list(`AppUser ${appUser.secret}`))).toMatch(/^PermissionDenied PERMISSION_DENIED: /);
    for (const [scheme, secret] of [
      ["OrgUser", appUser.secret],
      ["OrgUser", apiToken.secret],
      ["OrgUserApiToken", login.secret],
      ["OrgUserApiToken", appUser.secret],
      ["AppUser", login.secret],
      ["AppUser", apiToken.secret],
      ["SomebodyElse", login.secret],
    ] as const) {
      expect(await failureOf(list(`${scheme} ${secret}`)), scheme).toBe(NOT_GOOD);
    }
  });

  test("takes the application from x-app-id, and keeps each one to its own", async () => {
    const [app, other] = [example.name("app"), example.name("app")];
    const { secret, token } = await logInAppUser(app, "ada@example.com");
    expect(token?.tenant).toBe(app);
    expect(decodeJwt(secret).iss).toBe(app);
    expect(await verdict(app, secret)).toBe("ACTIVE");
    expect(await verdict(other, secret)).toBe("UNKNOWN");
    expect((await api(other).list({})).tokens).toEqual([]);
    expect(await failureOf(api(other).delete({ token: byId(token?.id ?? "") }))).toBe(
      "NotFound TOKEN_NOT_FOUND: no such token",
    );
    expect(
      await failureOf(api(other).create({ kind: "user-login-link", tenant: app, subject: "ada@example.com" })),
    ).toBe("PermissionDenied OWNER_BEYOND_CALLER: tenant: another tenant than your own needs latchkey:root");
  });

  test("lets nobody but IdentityX itself name another application than its own", async () => {
    const [app, other] = [example.name("app"), example.name("app")];
    const { secret } = await logInUser(app, "ada@example.com");
    const asUser = (headers: object) => example.call({ authorization: `OrgUser ${secret}`, ...headers }).list({});
    expect((await asUser({})).tokens.length).toBe(2);
    expect((await asUser({ "x-app-id": app })).tokens.length).toBe(2);
    const refused = "PermissionDenied OWNER_BEYOND_CALLER: x-app-id: another tenant than your own needs latchkey:root";
    expect(await failureOf(asUser({ "x-app-id": other }))).toBe(refused);
    expect(await failureOf(by("gateway", app, "latchkey:introspect", other).introspect({ secret }))).toBe(refused);
    expect(await failureOf(by("boss@example.com", app, "latchkey:admin", other).list({}))).toBe(refused);
    expect(await failureOf(api("not an application").list({}))).toBe(
      "InvalidArgument INVALID_REQUEST: x-app-id: must be the name of a tenant, in ASCII",
    );
  });

  test("has one API token per user, and answers its record when another is asked for", async () => {
    const app = example.name("app");
    const ada = example.call(`OrgUser ${(await logInUser(app, "ada@example.com")).secret}`);
    const bob = example.call(`OrgUser ${(await logInUser(app, "bob@example.com")).secret}`);
    const answers = await Promise.all(Array.from({ length: 10 }, () => ada.create({ kind: "user-api-token" })));
    const [first, ...others] = answers.filter(({ secret }) => secret !== "");
    expect(others).toEqual([]);
    expect(first?.token?.expireTime).toBeUndefined();
    expect(new Set(answers.map((answer) => recordIn(answer).id)).size).toBe(1);
    const again = await ada.create({ kind: "user-api-token" });
    expect(again).toMatchObject({ existing: true, secret: "", token: { id: first?.token?.id } });
    expect(await verdict(app, first?.secret ?? "", "user-api-token")).toBe("ACTIVE");
    expect((await bob.create({ kind: "user-api-token" })).existing).toBe(false);

    await ada.delete({ token: byId(recordIn(again).id) });
    const next = await ada.create({ kind: "user-api-token" });
    expect(next.existing).toBe(false);
    expect(await verdict(app, first?.secret ?? "")).toBe("UNKNOWN");
    expect(await verdict(app, next.secret)).toBe("ACTIVE");
  });

  test("tells the trusted caller why a token is not good", async () => {
    const app = example.name("app");
    const { secret, token } = await logInUser(app, "ada@example.com");
    const [header = "", payload = "", signature = ""] = secret.split(".");
    const forged = Buffer.from(JSON.stringify({ ...decodeJwt(secret), aud: "boss@example.com" })).toString("base64url");
    expect(await verdict(app, `${header}.${forged}.${signature}`)).toBe("SIGNATURE");
    expect(await verdict(app, `${header}.${payload}.${signature.slice(0, -4)}AAAA`)).toBe("SIGNATURE");
    expect(await verdict(app, "not a token")).toBe("MALFORMED");
    expect(await verdict(app, `${header}.${payload}`)).toBe("MALFORMED");
    expect(await verdict(app, secret, "user-api-token")).toBe("KIND");

    const lifetime = { case: "ttl", value: { seconds: 0n, nanos: 300_000_000 } } as const;
    const short = await api(app).create({ kind: "app-user-login-link", subject: "ada@example.com", lifetime });
    await vi.waitFor(async () => expect(await verdict(app, short.secret)).toBe("EXPIRED"), { timeout: 2_000 });
    expect(await failureOf(example.call().exchange({ secret: short.secret }))).toBe(
      "FailedPrecondition TOKEN_NOT_ACTIVE: the token is expired",
    );

    await api(app).delete({ token: byId(token?.id ?? "") });
    expect(await verdict(app, secret)).toBe("UNKNOWN");
  });

  test("tells nobody else why", async () => {
    const app = example.name("app");
    const { secret, token } = await logInUser(app, "ada@example.com");
    const apiToken = await example
      .call(`OrgUser ${secret}`)
      .create({ kind: "user-api-token", scopes: ["latchkey:self"] });
    const presented = [secret, `${secret.slice(0, -4)}AAAA`, "nonsense", apiToken.secret];
    await api(app).delete({ token: byId(token?.id ?? "") });
    for (const text of presented) {
      expect(await failureOf(example.call(`OrgUser ${text}`).list({}))).toBe(NOT_GOOD);
    }
  });

  test("ends all tokens of a deleted user in that application, and no others", async () => {
    const [app, other] = [example.name("app"), example.name("app")];
    const login = await logInUser(app, "ada@example.com");
    const apiToken = await example.call(`OrgUser ${login.secret}`).create({ kind: "user-api-token" });
    const link = await api(app).create({ kind: "change-email-link", subject: "ada@example.com" });
    const elsewhere = await logInUser(other, "ada@example.com");
    const bob = await logInUser(app, "bob@example.com");

    const { deletedCount } = await api(app).deleteAll({ subject: "ada@example.com" });
    expect(deletedCount).toBe(4n);
    for (const { secret } of [login, apiToken, link]) expect(await verdict(app, secret)).toBe("UNKNOWN");
    expect(await verdict(other, elsewhere.secret)).toBe("ACTIVE");
    expect(await verdict(app, bob.secret)).toBe("ACTIVE");
  });

  test("ends the tokens of a deleted user of the application, not those of a namesake who works in it", async () => {
    const app = example.name("app");
    const appUser = await logInAppUser(app, "ada@example.com");
    const staff = await logInUser(app, "ada@example.com");
    const kinds = ["app-user-login-link", "app-user-auth", "change-email-link"];
    expect((await api(app).deleteAll({ subject: "ada@example.com", kinds })).deletedCount).toBe(2n);
    expect(await verdict(app, appUser.secret)).toBe("UNKNOWN");
    expect(await verdict(app, staff.secret)).toBe("ACTIVE");
  });

  test("logs out by the token itself", async () => {
    const app = example.name("app");
    const { secret } = await logInAppUser(app, "ada@example.com");
    await api(app).delete({ token: bySecret(secret) });
    expect(await verdict(app, secret)).toBe("UNKNOWN");
  });

  test("changes an address by a link that is good once", async () => {
    const app = example.name("app");
    const data = { newEmail: "ada@new.example" };
    const wish = { kind: "change-email-link", subject: "ada@example.com", claims: { data } };
    const { secret } = await api(app).create(wish);
    expect(await verdict(app, secret, "user-login-link")).toBe("KIND");
    const presented = await Promise.all(
      Array.from({ length: 10 }, () => gateway(app).introspect({ secret, kinds: ["change-email-link"] })),
    );
    const good = presented.filter(({ active }) => active);
    expect(good.length).toBe(1);
    expect(good[0]?.token?.claims).toEqual({ data });
    expect(await verdict(app, secret, "change-email-link")).toBe("EXHAUSTED");
    expect(await failureOf(example.call().exchange({ secret }))).toBe(
      "InvalidArgument EXCHANGE_NOT_ALLOWED: kind: tokens of kind change-email-link are not exchanged",
    );
  });

  test("shows who acts for whom when an administrator impersonates a user", async () => {
    const app = example.name("app");
    const boss = by("boss@example.com", app, "latchkey:admin", app);
    const wish = { kind: "app-user-auth", subject: "ada@example.com" };
    const { secret } = await boss.create(wish);
    const seen = recordIn(await gateway(app).introspect({ secret, kinds: ["app-user-auth"] }));
    expect(seen).toMatchObject({ subject: "ada@example.com", creator: `${app}/boss@example.com` });

    const link = await boss.create({ kind: "app-user-login-link", subject: "ada@example.com" });
    const acting = await example.call().exchange({ secret: link.secret });
    expect(recordIn(await gateway(app).introspect({ secret: acting.secret }))).toMatchObject({
      subject: "ada@example.com",
      creator: `${app}/boss@example.com`,
    });

    const own = await logInAppUser(app, "ada@example.com");
    expect(recordIn(await gateway(app).introspect({ secret: own.secret })).creator).toBe("identityx/api");

    const bob = example.call(`OrgUser ${(await logInUser(app, "bob@example.com")).secret}`);
    expect(await failureOf(bob.create({ kind: "user-api-token", subject: "ada@example.com" }))).toBe(
      "PermissionDenied OWNER_BEYOND_CALLER: subject: another subject than your own needs latchkey:admin",
    );
    expect(await failureOf(bob.create({ kind: "user-auth" }))).toMatch(/^PermissionDenied KIND_NOT_ALLOWED: /);
  });
});
