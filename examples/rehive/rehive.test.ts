import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test, vi } from "vitest";
import { type Token, TokenStatus } from "#gen/latchkey/v1/token_pb.ts";
import type { CreateRequestSchema } from "#gen/latchkey/v1/token_service_pb.ts";
import { readKindsFile } from "../../src/config/kinds-file.ts";
import { admin as adminOfAcme, DAY, openWorld } from "../../test/domain/world.ts";
import { bySecret, failureOf, onEachStore, recordIn, verdictOf } from "../../test/support/example.ts";
import { byId } from "../../test/support/service.ts";

type Wish = Omit<MessageInitShape<typeof CreateRequestSchema>, "$typeName" | "kind">;

const PERMANENT = { lifetime: { case: "permanent", value: true } } as const;
const HOUR = 3600;
const NO_CREDENTIAL = "Unauthenticated CREDENTIALS_INVALID: the credentials are not valid";
const NOT_FOUND = "NotFound TOKEN_NOT_FOUND: no such token";
const SPENT = "FailedPrecondition SECRET_SPENT: the secret was used up or replaced";
const LOGIN_TOO_OLD =
  "Unauthenticated LOGIN_TOO_OLD: tokens of this kind need a fresh login: log in again, and call with the new JWT";

onEachStore(import.meta.dirname, (example) => {
  /** Those who call on behalf of a company that no other test knows. */
  function openCompany() {
    const company = example.name("acme");
    const callAs = (claims: object) => example.call(`Bearer ${example.signLogin({ company, ...claims })}`);
    const judge = (secret: string) => verdictOf(callAs({ sub: "api", role: "service" }).introspect({ secret }));
    return {
      company,
      callAs,
      admin: callAs({ sub: "boss", role: "admin" }),
      /** With a JWT of a login that passed all factors so many seconds ago. */
      user: (sub: string, ago = 0) => callAs({ sub, role: "user", auth_time: secondsNow() - ago }),
      judge,
      judgeAll: (secrets: readonly string[]) => Promise.all(secrets.map(judge)),
      /** An auth token of a user who has just logged in. */
      async create(sub: string, wish: Wish = {}) {
        const user = callAs({ sub, role: "user", auth_time: secondsNow() });
        const made = await user.create({ kind: "auth", scopes: ["latchkey:self"], ...wish });
        return { ...recordIn(made), secret: made.secret };
      },
      /** What the login service does for a user whose password is right. */
      async logIn(subject: string, wish: Wish = {}) {
        const login = callAs({ sub: "login", role: "admin" });
        const made = await login.create({ kind: "refresh", subject, scopes: ["latchkey:self"], ...wish });
        return { ...recordIn(made), secret: made.secret };
      },
    };
  }

  const callWith = (token: string) => example.call(`Token ${token}`);
  const refresh = (secret: string) => example.call().exchange({ secret });

  describe("creating", () => {
    test("a user who has just given the password creates a permanent token with a label", async () => {
      const { company, create, judge } = openCompany();
      const { secret, ...token } = await create("ada", { label: "reports", ...PERMANENT });
      expect(token).toMatchObject({ tenant: company, subject: "ada", label: "reports", creator: `${company}/ada` });
      expect(token.expireTime).toBeUndefined();
      expect(await judge(secret)).toBe("ACTIVE");
    });

    test("a token lives 10 hours by default, or a life that the list allows", async () => {
      const { create, user } = openCompany();
      expect((await create("ada")).life).toMatchObject({ seconds: BigInt(10 * HOUR) });
      for (const [life, seconds] of [
        ["1 hour", HOUR],
        ["1d", 24 * HOUR],
        ["P30D", 30 * 24 * HOUR],
      ] as const) {
        const made = await create("ada", { lifetime: { case: "life", value: life } });
        expect(made.life).toMatchObject({ seconds: BigInt(seconds) });
      }
      const ttl = { case: "ttl", value: { seconds: BigInt(2 * HOUR) } } as const;
      expect(await failureOf(user("ada").create({ kind: "auth", lifetime: ttl }))).toBe(
        "InvalidArgument LIFETIME_INVALID: ttl: tokens of kind auth live 1 hour, 10 hours, 1 day, or 30 days",
      );
    });

    test("a company with lives of its own has a kind of its own", async () => {
      const { user } = openCompany();
      const ada = user("ada");
      const made = await ada.create({ kind: "auth-strict" });
      expect(recordIn(made).life).toMatchObject({ seconds: 900n });
      expect(await failureOf(ada.create({ kind: "auth-strict", ...PERMANENT }))).toBe(
        "InvalidArgument PERMANENT_NOT_ALLOWED: permanent: not for tokens of kind auth-strict",
      );
      const life = { case: "life", value: "10 hours" } as const;
      expect(await failureOf(ada.create({ kind: "auth-strict", lifetime: life }))).toBe(
        "InvalidArgument LIFETIME_INVALID: life: tokens of kind auth-strict live 15 minutes or 1 hour",
      );
    });

    test("a login that is too old, or of an unknown age, needs the password again", async () => {
      const { user, callAs } = openCompany();
      expect(recordIn(await user("ada", 200).create({ kind: "auth" })).subject).toBe("ada");
      expect(await failureOf(user("ada", 400).create({ kind: "auth" }))).toBe(LOGIN_TOO_OLD);
      expect(await failureOf(callAs({ sub: "ada", role: "user" }).create({ kind: "auth" }))).toBe(LOGIN_TOO_OLD);
    });

    test("a login without its second factor creates nothing", async () => {
      const { callAs } = openCompany();
      const halfway = callAs({ sub: "ada", auth_time: secondsNow() });
      expect(await failureOf(halfway.create({ kind: "auth" }))).toBe(
        "PermissionDenied PERMISSION_DENIED: Create needs the permission latchkey:self",
      );
    });

    test("a token creates no tokens, not even one that lives for ever", async () => {
      const { create } = openCompany();
      const { secret } = await create("ada", PERMANENT);
      expect(await failureOf(callWith(secret).create({ kind: "auth" }))).toBe(
        "PermissionDenied KIND_NOT_ALLOWED: kind: tokens of kind auth are made by administrators or other credentials",
      );
    });

    test("an administrator creates for another user, a user only for herself", async () => {
      const { company, admin, user, judge } = openCompany();
      const made = await admin.create({ kind: "auth", subject: "bob", label: "terminal", ...PERMANENT });
      expect(made.token).toMatchObject({ tenant: company, subject: "bob", creator: `${company}/boss` });
      expect(await judge(made.secret)).toBe("ACTIVE");
      expect(await failureOf(user("ada").create({ kind: "auth", subject: "bob" }))).toBe(
        "PermissionDenied OWNER_BEYOND_CALLER: subject: another subject than your own needs latchkey:admin",
      );
    });

    test("an idempotency key answers the same token and the same secret again", async () => {
      const { create, user } = openCompany();
      const requestId = randomUUID();
      const first = await create("ada", { label: "reports", requestId, ...PERMANENT });
      const repeated = await create("ada", { label: "reports", requestId, ...PERMANENT });
      expect([repeated.id, repeated.secret]).toEqual([first.id, first.secret]);
      expect((await user("ada").list({})).tokens).toHaveLength(1);
      expect((await create("bob", { requestId })).id).not.toBe(first.id);
    });

    test("an idempotency key is refused for another request", async () => {
      const { create, user } = openCompany();
      const requestId = randomUUID();
      await create("ada", { label: "reports", requestId });
      expect(await failureOf(user("ada").create({ kind: "auth", label: "other", requestId }))).toBe(
        "AlreadyExists REQUEST_ID_REUSED: this request_id was used for another request",
      );
    });
  });

  describe("calling", () => {
    test("the API learns the user and the company from a token", async () => {
      const { company, create, callAs } = openCompany();
      const { id, secret } = await create("ada");
      const answer = await callAs({ sub: "api", role: "service" }).introspect({ secret });
      expect(answer).toMatchObject({ active: true, token: { id, tenant: company, subject: "ada" } });
    });

    test("the header `Authorization: Token <token>` says who calls", async () => {
      const { create } = openCompany();
      const { id, secret } = await create("ada");
      expect(await callWith(secret).list({})).toMatchObject({ tokens: [{ id }] });
      expect(await failureOf(callWith(`${secret.slice(0, -1)}_`).list({}))).toBe(NO_CREDENTIAL);
      expect(await failureOf(example.call().list({}))).toBe(
        "Unauthenticated CREDENTIALS_MISSING: the call needs credentials",
      );
    });

    test("a company sees nothing of another one", async () => {
      const [one, other] = [openCompany(), openCompany()];
      const { id, secret } = await one.create("ada");
      expect(await other.judge(secret)).toBe("UNKNOWN");
      expect(await failureOf(other.admin.get({ token: byId(id) }))).toBe(NOT_FOUND);
      expect(await failureOf(other.admin.list({ tenant: one.company }))).toBe(
        "PermissionDenied OWNER_BEYOND_CALLER: tenant: another tenant than your own needs latchkey:root",
      );
    });
  });

  describe("listing", () => {
    test("shows the first characters of a secret, which name no token, and never the secret", async () => {
      const { create, user } = openCompany();
      const { id, hint, secret } = await create("ada");
      const { tokens } = await user("ada").list({});
      expect(tokens).toMatchObject([{ id, hint }]);
      expect(hint).toBe(secret.slice(0, "rehive_auth_".length + 8));
      expect(JSON.stringify(tokens, (_, value) => String(value))).not.toContain(secret.slice(hint.length + id.length));
      expect(await failureOf(user("ada").get({ token: byId(hint) }))).toBe(NOT_FOUND);
    });

    test("shows when a token expires, and nothing for a permanent one", async () => {
      const { create, user } = openCompany();
      const [expiring, permanent] = [await create("ada"), await create("ada", PERMANENT)];
      const { tokens } = await user("ada").list({});
      const shown = new Map(tokens.map(({ id, expireTime }) => [id, expireTime]));
      expect(millisecondsOf(shown.get(expiring.id))).toBe(millisecondsOf(expiring.createTime) + 10 * HOUR * 1000);
      expect([shown.has(permanent.id), shown.get(permanent.id)]).toEqual([true, undefined]);
    });

    test("takes those made in a span of time", async () => {
      const { create, user } = openCompany();
      const made: Token[] = [];
      for (let count = 0; count < 3; count++) {
        made.push(await create("ada"));
        const createTime = millisecondsOf(made.at(-1)?.createTime);
        await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(createTime), { interval: 1 });
      }
      const [first, second, third] = made as [Token, Token, Token];
      const list = async (wish: object) => idsOf((await user("ada").list(wish)).tokens);
      expect(await list({ createdAfter: second.createTime })).toEqual(idsOf([second, third]));
      expect(await list({ createdBefore: second.createTime })).toEqual(idsOf([first]));
      expect(await list({ createdAfter: second.createTime, createdBefore: third.createTime })).toEqual(idsOf([second]));
    });

    test("takes those that never expire, and those that are in a list or not", async () => {
      const { create, user } = openCompany();
      const [one, two] = [await create("ada"), await create("ada")];
      const permanent = await create("ada", PERMANENT);
      const list = async (wish: object) => idsOf((await user("ada").list(wish)).tokens);
      expect(await list({ permanent: true })).toEqual([permanent.id]);
      expect(await list({ ids: [one.id, permanent.id] })).toEqual(idsOf([one, permanent]));
      expect(await list({ exceptIds: [one.id, permanent.id] })).toEqual([two.id]);
      expect(await list({ ids: [one.id, permanent.id], permanent: true })).toEqual([permanent.id]);
    });
  });

  describe("editing", () => {
    test("a user edits the label and not the expiry", async () => {
      const { create } = openCompany();
      const { id, secret, expireTime } = await create("ada");
      const user = callWith(secret);
      const renamed = await user.update({
        token: byId(id),
        label: "laptop",
        updateMask: { paths: ["label"] },
      });
      expect(renamed.token).toMatchObject({ id, label: "laptop", expireTime });
      expect(await failureOf(user.update({ token: byId(id), updateMask: { paths: ["expire_time"] } }))).toBe(
        "PermissionDenied FIELD_NOT_ALLOWED: expire_time: only administrators may set it",
      );
    });

    test("an administrator edits the expiry too", async () => {
      const { create, admin } = openCompany();
      const { id } = await create("ada");
      const soon = { seconds: BigInt(secondsNow() + 2 * HOUR), nanos: 0 };
      const change = {
        token: byId(id),
        label: "kiosk",
        expireTime: soon,
        updateMask: { paths: ["label", "expire_time"] },
      };
      expect((await admin.update(change)).token).toMatchObject({ label: "kiosk", expireTime: soon });
      const endless = await admin.update({ token: byId(id), updateMask: { paths: ["expire_time"] } });
      expect(recordIn(endless).expireTime).toBeUndefined();
    });
  });

  describe("deleting", () => {
    test("deletes one by its id, and the token is worth nothing from then on", async () => {
      const { create, user, judge } = openCompany();
      const { id, secret } = await create("ada", PERMANENT);
      expect(await user("ada").delete({ token: byId(id) })).toMatchObject({ deletedCount: 1n });
      expect(await judge(secret)).toBe("UNKNOWN");
      expect(await failureOf(callWith(secret).list({}))).toBe(NO_CREDENTIAL);
      expect(await failureOf(user("ada").delete({ token: byId(id) }))).toBe(NOT_FOUND);
    });

    test("deletes all except mine", async () => {
      const { create, judgeAll } = openCompany();
      const [mine, one, two] = [await create("ada"), await create("ada"), await create("ada", PERMANENT)];
      const bob = await create("bob");
      expect(await callWith(mine.secret).deleteAll({ exceptIds: [mine.id] })).toMatchObject({ deletedCount: 2n });
      const secrets = [mine, bob, one, two].map(({ secret }) => secret);
      expect(await judgeAll(secrets)).toEqual(["ACTIVE", "ACTIVE", "UNKNOWN", "UNKNOWN"]);
    });

    test("deletes those of a list, of a span of time or of no expiry", async () => {
      const { create, user, judgeAll } = openCompany();
      const [one, two] = [await create("ada"), await create("ada")];
      const [three, four] = [await create("ada", PERMANENT), await create("ada")];
      const ada = user("ada");
      expect(await ada.deleteAll({ ids: [one.id, "no-such-token"] })).toMatchObject({ deletedCount: 1n });
      expect(await ada.deleteAll({ createdBefore: one.createTime })).toMatchObject({ deletedCount: 0n });
      expect(await ada.deleteAll({ createdAfter: four.createTime, ids: [four.id] })).toMatchObject({
        deletedCount: 1n,
      });
      expect(await ada.deleteAll({ permanent: true })).toMatchObject({ deletedCount: 1n });
      const secrets = [one, two, three, four].map(({ secret }) => secret);
      expect(await judgeAll(secrets)).toEqual(["UNKNOWN", "ACTIVE", "UNKNOWN", "UNKNOWN"]);
    });

    test("logging out everywhere removes only tokens that expire", async () => {
      const { create, logIn, judgeAll } = openCompany();
      const login = await logIn("ada");
      const { secret: session, parentSecret } = await refresh(login.secret);
      const [expiring, permanent] = [await create("ada"), await create("ada", PERMANENT)];
      expect(await callWith(session).deleteAll({ permanent: false })).toMatchObject({ deletedCount: 3n });
      expect(await judgeAll([session, parentSecret, expiring.secret, permanent.secret])).toEqual([
        "UNKNOWN",
        "UNKNOWN",
        "UNKNOWN",
        "ACTIVE",
      ]);
    });

    test("an administrator who names no user deletes only what is his own", async () => {
      const { admin, create, judgeAll } = openCompany();
      const [ada, bob] = [await create("ada"), await create("bob", PERMANENT)];
      const { secret: own } = await admin.create({ kind: "auth" });
      expect(await admin.deleteAll({})).toMatchObject({ deletedCount: 1n });
      expect(await judgeAll([own, ada.secret, bob.secret])).toEqual(["UNKNOWN", "ACTIVE", "ACTIVE"]);
    });

    test("an administrator empties the company only by saying so, and no other company", async () => {
      const { admin, create, judgeAll, user } = openCompany();
      const other = openCompany();
      const [ada, bob, eve] = [await create("ada"), await create("bob", PERMANENT), await other.create("eve")];
      expect(await failureOf(user("ada").deleteAll({ allSubjects: true }))).toBe(
        "PermissionDenied OWNER_BEYOND_CALLER: all_subjects: needs latchkey:admin",
      );
      expect(await failureOf(admin.deleteAll({ allSubjects: true, subject: "ada" }))).toBe(
        "InvalidArgument INVALID_REQUEST: all_subjects and subject exclude each other",
      );
      expect(await judgeAll([ada.secret, bob.secret])).toEqual(["ACTIVE", "ACTIVE"]);
      expect(await admin.deleteAll({ allSubjects: true })).toMatchObject({ deletedCount: 2n });
      expect(await judgeAll([ada.secret, bob.secret])).toEqual(["UNKNOWN", "UNKNOWN"]);
      expect(await other.judge(eve.secret)).toBe("ACTIVE");
    });
  });

  describe("refreshing", () => {
    test("a login gives a refresh token of 31 days, and for it an auth token of 10 hours", async () => {
      const { logIn, judge } = openCompany();
      const login = await logIn("ada");
      expect(login.life).toMatchObject({ seconds: BigInt(31 * 24 * HOUR) });
      const { token, secret } = await refresh(login.secret);
      expect(token).toMatchObject({ kind: "auth", subject: "ada", scopes: ["latchkey:self"], parentId: login.id });
      expect(token?.life).toMatchObject({ seconds: BigInt(10 * HOUR) });
      expect(await judge(secret)).toBe("ACTIVE");
      expect((await callWith(secret).list({ kinds: ["auth"] })).tokens).toHaveLength(1);
    });

    test("a refresh token is good once: the next one comes with the auth token, and ends when the first would", async () => {
      const { logIn, judgeAll, admin } = openCompany();
      const login = await logIn("ada");
      const first = await refresh(login.secret);
      const second = await refresh(first.parentSecret);
      const third = await refresh(second.parentSecret);
      expect(new Set([login.secret, first.parentSecret, second.parentSecret, third.parentSecret]).size).toBe(4);
      expect(await judgeAll([first.secret, second.secret, third.secret])).toEqual(["ACTIVE", "ACTIVE", "ACTIVE"]);
      const now = await admin.get({ token: bySecret(third.parentSecret) });
      expect(now.token).toMatchObject({ id: login.id, expireTime: login.expireTime });
    });

    test("a refresh token that is used twice ends the login and all tokens that came from it", async () => {
      const { logIn, create, judgeAll } = openCompany();
      const [login, otherLogin] = [await logIn("ada"), await logIn("ada")];
      const permanent = await create("ada", PERMANENT);
      const first = await refresh(login.secret);
      const second = await refresh(first.parentSecret);
      expect(await failureOf(refresh(login.secret))).toBe(SPENT);
      expect(await judgeAll([first.secret, second.secret, second.parentSecret])).toEqual(Array(3).fill("UNKNOWN"));
      expect(await failureOf(refresh(second.parentSecret))).toBe(NOT_FOUND);
      expect(await judgeAll([otherLogin.secret, permanent.secret])).toEqual(["ACTIVE", "ACTIVE"]);
    });

    test("a permanent token has no refresh token, and none is exchanged for a permanent token", async () => {
      const { logIn, create } = openCompany();
      const permanent = await create("ada", PERMANENT);
      expect(permanent.parentId).toBe("");
      expect(await failureOf(refresh(permanent.secret))).toBe(
        "InvalidArgument EXCHANGE_NOT_ALLOWED: kind: tokens of kind auth are not exchanged",
      );
      const { secret } = await logIn("ada");
      expect(await failureOf(example.call().exchange({ secret, ...PERMANENT }))).toBe(
        "PermissionDenied LIFETIME_BEYOND_PARENT: permanent: the new token can't outlive the presented one",
      );
    });

    test("logging out deletes the refresh token and the auth tokens from it", async () => {
      const { logIn, judgeAll } = openCompany();
      const login = await logIn("ada");
      const first = await refresh(login.secret);
      const second = await refresh(first.parentSecret);
      const out = await callWith(second.secret).delete({ token: bySecret(second.parentSecret) });
      expect(out.deletedCount).toBe(3n);
      expect(await judgeAll([first.secret, second.secret, second.parentSecret])).toEqual(Array(3).fill("UNKNOWN"));
    });

    test("an idempotency key makes a refresh whose answer was lost safe to repeat", async () => {
      const { logIn, judge } = openCompany();
      const { secret } = await logIn("ada");
      const requestId = randomUUID();
      const lost = await example.call().exchange({ secret, requestId });
      const again = await example.call().exchange({ secret, requestId });
      expect([again.secret, again.parentSecret]).toEqual([lost.secret, lost.parentSecret]);
      expect(await judge(again.secret)).toBe("ACTIVE");
    });
  });

  describe("a challenge", () => {
    test("a token is unusable until the challenge has passed", async () => {
      const { admin, judge } = openCompany();
      const made = await admin.create({ kind: "auth", subject: "ada", scopes: ["latchkey:self"], inactive: true });
      const { id, status } = recordIn(made);
      expect(status).toBe(TokenStatus.INACTIVE);
      expect(await judge(made.secret)).toBe("INACTIVE");
      const ada = callWith(made.secret);
      expect(await failureOf(ada.setActive({ token: byId(id), active: true }))).toBe(NO_CREDENTIAL);
      await admin.setActive({ token: byId(id), active: true });
      expect(await judge(made.secret)).toBe("ACTIVE");
      expect((await ada.list({})).tokens).toHaveLength(1);
    });

    test("a login's refresh token gives nothing until the challenge has passed", async () => {
      const { logIn, admin, judge } = openCompany();
      const { id, secret } = await logIn("ada", { inactive: true });
      expect(await failureOf(refresh(secret))).toBe("FailedPrecondition TOKEN_NOT_ACTIVE: the token is inactive");
      await admin.setActive({ token: byId(id), active: true });
      expect(await judge((await refresh(secret)).secret)).toBe("ACTIVE");
    });
  });
});

test("an idempotency key lasts 24 hours", async () => {
  const kinds = readKindsFile(join(import.meta.dirname, "kinds.yaml"));
  const { issue, pass } = await openWorld(...kinds.values());
  const create = () => issue({ kind: "auth", lifetime: { type: "permanent" }, requestId }, adminOfAcme);
  const requestId = randomUUID();
  const first = await create();
  pass(DAY - 1);
  const repeated = await create();
  expect([repeated.token.id, repeated.secret]).toEqual([first.token.id, first.secret]);
  pass(1);
  expect((await create()).token.id).not.toBe(first.token.id);
});

function secondsNow(): number {
  return Math.floor(Date.now() / 1000);
}

function millisecondsOf(time: { seconds: bigint; nanos: number } | undefined): number {
  return Number(time?.seconds) * 1000 + Number(time?.nanos) / 1e6;
}

function idsOf(tokens: readonly Token[]): string[] {
  return tokens.map(({ id }) => id).toSorted();
}
