import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { type Token, TokenStatus } from "#gen/latchkey/v1/token_pb.ts";
import { readKindsFile } from "../../src/config/kinds-file.ts";
import { listTokens } from "../../src/domain/list.ts";
import { statusOf } from "../../src/domain/token.ts";
import { ada, DAY, openWorld } from "../../test/domain/world.ts";
import { bySecret, failureOf, onEachStore, recordIn, verdictOf } from "../../test/support/example.ts";
import { byId } from "../../test/support/service.ts";

const NOT_FOUND = "NotFound TOKEN_NOT_FOUND: no such token";
const NO_CREDENTIAL = "Unauthenticated CREDENTIALS_INVALID: the credentials are not valid";

onEachStore(import.meta.dirname, (example) => {
  const callAs = (scope: string) => example.call(`Bearer ${example.signLogin({ sub: "login", scope })}`);
  const callWith = (key: string) => example.call(`Token ${key}`);

  /** What the login service does for a user whose name and password are right. */
  async function logIn(username: string, wish: { kind?: string; group?: string; seconds?: number } = {}) {
    const { kind = "temporary", group = "operators", seconds } = wish;
    const made = await callAs("latchkey:admin").create({
      kind,
      subject: username,
      scopes: ["latchkey:self"],
      claims: { username, group },
      ...(seconds !== undefined && { lifetime: { case: "ttl", value: toDuration(seconds) } }),
    });
    return { token: recordIn(made), key: made.secret };
  }

  const judge = (key: string) => verdictOf(callAs("latchkey:introspect").introspect({ secret: key }));
  const idsOf = (tokens: readonly Token[]) => tokens.map(({ id }) => id).toSorted();

  describe("logging in", () => {
    test("a login gives a temporary token with its user and group", async () => {
      const username = example.name("ada");
      const { token, key } = await logIn(username);
      expect(token).toMatchObject({
        subject: username,
        kind: "temporary",
        claims: { username, group: "operators" },
        active: true,
        life: { seconds: 86_400n, nanos: 0 },
      });
      expect(millisecondsOf(token.expireTime) - millisecondsOf(token.createTime)).toBe(DAY);
      expect(key).toMatch(new RegExp(`^identix_tmp_${token.id}`));
      expect(await judge(key)).toBe("ACTIVE");
    });

    test("a login that asks for a permanent token gets the same without an expiry", async () => {
      const username = example.name("ada");
      const { token, key } = await logIn(username, { kind: "permanent" });
      expect(token).toMatchObject({ subject: username, claims: { username, group: "operators" }, active: true });
      expect([token.expireTime, token.life, token.remainingLife]).toEqual([undefined, undefined, undefined]);
      expect(key).toMatch(new RegExp(`^identix_key_${token.id}`));
      expect(await judge(key)).toBe("ACTIVE");
    });

    test("a temporary token never lives longer than a day", async () => {
      const wish = { kind: "temporary", subject: "ada" };
      const login = callAs("latchkey:admin");
      expect(await failureOf(login.create({ ...wish, lifetime: { case: "permanent", value: true } }))).toBe(
        "InvalidArgument PERMANENT_NOT_ALLOWED: permanent: not for tokens of kind temporary",
      );
      expect(await failureOf(login.create({ ...wish, lifetime: { case: "ttl", value: toDuration(86_401) } }))).toBe(
        "InvalidArgument LIFETIME_TOO_LONG: ttl: tokens of kind temporary live 1 day at most",
      );
    });

    test("only the login service makes tokens: neither a token nor the gateway does", async () => {
      const { key } = await logIn(example.name("ada"), { kind: "permanent" });
      expect(await failureOf(callWith(key).create({ kind: "permanent" }))).toBe(
        "PermissionDenied KIND_NOT_ALLOWED: kind: tokens of kind permanent are made by administrators or other credentials",
      );
      expect(await failureOf(callAs("latchkey:introspect").create({ kind: "permanent" }))).toBe(
        "PermissionDenied PERMISSION_DENIED: Create needs the permission latchkey:self",
      );
      expect(await failureOf(example.call().create({ kind: "permanent" }))).toBe(
        "Unauthenticated CREDENTIALS_MISSING: the call needs credentials",
      );
    });
  });

  describe("calling", () => {
    test("the header `Authorization: Token <key>` says who calls", async () => {
      const { token, key } = await logIn(example.name("ada"));
      expect(await callWith(key).list({})).toMatchObject({ tokens: [{ id: token.id }] });
    });

    test("the gateway learns user and group from a key", async () => {
      const username = example.name("ada");
      const { key } = await logIn(username, { group: "supervisors" });
      const answer = await callAs("latchkey:introspect").introspect({ secret: key });
      expect(answer).toMatchObject({
        active: true,
        token: { subject: username, claims: { username, group: "supervisors" } },
      });
    });

    test("a token follows its user into another group, which the user can't choose", async () => {
      const username = example.name("ada");
      const { token, key } = await logIn(username);
      const change = {
        token: byId(token.id),
        claims: { username, group: "owners" },
        updateMask: { paths: ["claims"] },
      };
      expect(await failureOf(callWith(key).update(change))).toBe(
        "PermissionDenied FIELD_NOT_ALLOWED: claims: only administrators may set it",
      );
      await callAs("latchkey:admin").update(change);
      const answer = await callAs("latchkey:introspect").introspect({ secret: key });
      expect(answer.token?.claims).toEqual({ username, group: "owners" });
    });

    test("a key that is unknown, deleted, inactive or expired calls nothing, and only the gateway learns why", async () => {
      const username = example.name("ada");
      const [kept, deleted, inactive, expired] = await Promise.all([
        logIn(username),
        logIn(username),
        logIn(username),
        logIn(username, { seconds: 0.2 }),
      ]);
      await callWith(kept.key).delete({ token: byId(deleted.token.id) });
      await callWith(kept.key).setActive({ token: byId(inactive.token.id), active: false });
      await vi.waitFor(async () => expect(await judge(expired.key)).toBe("EXPIRED"), 5000);
      for (const [key, reason] of [
        ["no-key-at-all", "MALFORMED"],
        [`${kept.key.slice(0, -1)}_`, "MALFORMED"],
        [deleted.key, "UNKNOWN"],
        [inactive.key, "INACTIVE"],
        [expired.key, "EXPIRED"],
      ] as const) {
        expect(await failureOf(callWith(key).list({}))).toBe(NO_CREDENTIAL);
        expect(await judge(key)).toBe(reason);
      }
    });

    test("a key is shown once, and by no later answer", async () => {
      const { token, key } = await logIn(example.name("ada"));
      const user = callWith(key);
      const answers = [
        await user.get({ token: bySecret(key) }),
        await user.list({}),
        await user.setActive({ token: bySecret(key), active: true }),
        await user.update({ token: byId(token.id), label: "mine", updateMask: { paths: ["label"] } }),
      ];
      const text = JSON.stringify(answers, (_, value) => (typeof value === "bigint" ? String(value) : value));
      expect(text).toContain(token.id);
      expect(text).not.toContain(key.slice("identix_tmp_".length + token.id.length));
    });
  });

  describe("one token", () => {
    test("deactivates a token by id, answers its record, and activates it again", async () => {
      const username = example.name("ada");
      const [own, other] = [await logIn(username), await logIn(username, { kind: "permanent" })];
      const user = callWith(own.key);
      const { id } = other.token;
      const off = recordIn(await user.setActive({ token: byId(id), active: false }));
      expect(off).toMatchObject({ id, active: false, status: TokenStatus.INACTIVE });
      expect(await judge(other.key)).toBe("INACTIVE");
      const on = recordIn(await user.setActive({ token: byId(id), active: true }));
      expect(on).toMatchObject({ id, active: true, status: TokenStatus.ACTIVE });
      expect(await judge(other.key)).toBe("ACTIVE");
    });

    test("deactivates a token by the presented key, and activates it again", async () => {
      const username = example.name("ada");
      const [own, other] = [await logIn(username), await logIn(username, { kind: "permanent" })];
      const turn = async (active: boolean) =>
        recordIn(await callWith(own.key).setActive({ token: bySecret(other.key), active }));
      expect(await turn(false)).toMatchObject({ id: other.token.id, active: false });
      expect(await judge(other.key)).toBe("INACTIVE");
      expect(await turn(true)).toMatchObject({ id: other.token.id, active: true });
      expect(await judge(other.key)).toBe("ACTIVE");
    });

    test("a deactivated token can't activate itself, but another one of its user can", async () => {
      const username = example.name("ada");
      const { key } = await logIn(username);
      await callWith(key).setActive({ token: bySecret(key), active: false });
      const activate = { token: bySecret(key), active: true };
      expect(await failureOf(callWith(key).setActive(activate))).toBe(NO_CREDENTIAL);
      const other = await logIn(username);
      expect(recordIn(await callWith(other.key).setActive(activate))).toMatchObject({ active: true });
    });

    test("reads a token by id and by the presented key", async () => {
      const { token, key } = await logIn(example.name("ada"));
      expect(await callWith(key).get({ token: byId(token.id) })).toMatchObject({ token: { id: token.id } });
      expect(await callWith(key).get({ token: bySecret(key) })).toMatchObject({ token: { id: token.id } });
    });

    test("updates a token by id and by the presented key", async () => {
      const { key } = await logIn(example.name("ada"));
      const user = callWith(key);
      const { id, etag } = recordIn(await user.get({ token: bySecret(key) }));
      const change = { token: byId(id), label: "reception", etag, updateMask: { paths: ["label"] } };
      expect(recordIn(await user.update(change))).toMatchObject({ id, label: "reception" });
      expect(recordIn(await user.update({ ...change, token: bySecret(key), label: "gate", etag: "" }))).toMatchObject({
        id,
        label: "gate",
      });
      expect(await failureOf(user.update(change))).toBe("Aborted ETAG_MISMATCH: the token has changed since");
    });

    test("deletes a token by id and by the presented key", async () => {
      const username = example.name("ada");
      const [own, first, second] = [await logIn(username), await logIn(username), await logIn(username)];
      const user = callWith(own.key);
      expect(await user.delete({ token: byId(first.token.id) })).toMatchObject({ deletedCount: 1n });
      expect(await user.delete({ token: bySecret(second.key) })).toMatchObject({ deletedCount: 1n });
      for (const gone of [first, second]) {
        expect(await judge(gone.key)).toBe("UNKNOWN");
        expect(await failureOf(user.get({ token: byId(gone.token.id) }))).toBe(NOT_FOUND);
        expect(await failureOf(user.delete({ token: bySecret(gone.key) }))).toBe(NOT_FOUND);
      }
    });

    test("a user finds nothing of another user's, as if it were not there", async () => {
      const { key } = await logIn(example.name("ada"));
      const bob = await logIn(example.name("bob"));
      const user = callWith(key);
      for (const id of [bob.token.id, `${bob.token.id.slice(0, 3)}${"x".repeat(16)}`, randomUUID()]) {
        expect(await failureOf(user.get({ token: byId(id) }))).toBe(NOT_FOUND);
        expect(await failureOf(user.setActive({ token: byId(id), active: false }))).toBe(NOT_FOUND);
        expect(await failureOf(user.update({ token: byId(id), label: "mine", updateMask: { paths: ["label"] } }))).toBe(
          NOT_FOUND,
        );
        expect(await failureOf(user.delete({ token: byId(id) }))).toBe(NOT_FOUND);
      }
      expect(await failureOf(user.delete({ token: bySecret(bob.key) }))).toBe(NOT_FOUND);
      expect(await judge(bob.key)).toBe("ACTIVE");
    });
  });

  describe("all tokens of a user", () => {
    async function logInFourTimes() {
      const username = example.name("ada");
      const temporary = [await logIn(username), await logIn(username)];
      const permanent = [await logIn(username, { kind: "permanent" }), await logIn(username, { kind: "permanent" })];
      return { username, temporary, permanent, user: callWith(temporary[0]?.key ?? "") };
    }
    const idsIn = (logins: readonly { readonly token: Token }[]) => idsOf(logins.map(({ token }) => token));
    const judgeAll = (logins: readonly { readonly key: string }[]) => Promise.all(logins.map(({ key }) => judge(key)));

    test("lists all tokens, only the permanent or only the temporary ones", async () => {
      const { temporary, permanent, user } = await logInFourTimes();
      const list = async (wish: { permanent?: boolean }) => idsOf((await user.list(wish)).tokens);
      expect(await list({})).toEqual(idsIn([...temporary, ...permanent]));
      expect(await list({ permanent: true })).toEqual(idsIn(permanent));
      expect(await list({ permanent: false })).toEqual(idsIn(temporary));
    });

    test("lists an expired token as expired", async () => {
      const username = example.name("ada");
      const [own, expiring] = [await logIn(username), await logIn(username, { seconds: 0.2 })];
      const { id } = expiring.token;
      await vi.waitFor(async () => {
        const { tokens } = await callWith(own.key).list({ status: TokenStatus.EXPIRED });
        expect(tokens).toMatchObject([{ id, active: true, remainingLife: { seconds: 0n, nanos: 0 } }]);
      }, 5000);
    });

    test("deletes all permanent tokens and leaves the temporary ones", async () => {
      const { temporary, permanent, user } = await logInFourTimes();
      expect(await user.deleteAll({ permanent: true })).toMatchObject({ deletedCount: 2n });
      expect(await judgeAll(permanent)).toEqual(["UNKNOWN", "UNKNOWN"]);
      expect(await judgeAll(temporary)).toEqual(["ACTIVE", "ACTIVE"]);
    });

    test("deletes all temporary tokens and leaves the permanent ones", async () => {
      const { temporary, permanent, user } = await logInFourTimes();
      expect(await user.deleteAll({ permanent: false })).toMatchObject({ deletedCount: 2n });
      expect(await judgeAll(temporary)).toEqual(["UNKNOWN", "UNKNOWN"]);
      expect(await judgeAll(permanent)).toEqual(["ACTIVE", "ACTIVE"]);
    });

    test("deletes all tokens, the one that calls included", async () => {
      const { temporary, permanent, user } = await logInFourTimes();
      expect(await user.deleteAll({})).toMatchObject({ deletedCount: 4n });
      expect(await judgeAll([...temporary, ...permanent])).toEqual(Array(4).fill("UNKNOWN"));
      expect(await failureOf(user.list({}))).toBe(NO_CREDENTIAL);
    });

    test("a change of the password resets the user's tokens and nobody else's", async () => {
      const { username, temporary, permanent } = await logInFourTimes();
      const bob = await logIn(example.name("bob"));
      const login = callAs("latchkey:admin");
      expect(await login.deleteAll({ subject: username })).toMatchObject({ deletedCount: 4n });
      expect(await judgeAll([...temporary, ...permanent])).toEqual(Array(4).fill("UNKNOWN"));
      expect(await judge(bob.key)).toBe("ACTIVE");
    });
  });
});

test("lists an expired token for a day, then purges it", async () => {
  const { context, issue, pass } = await openWorld(...readKindsFile(join(import.meta.dirname, "kinds.yaml")).values());
  const { token } = await issue({ kind: "temporary" });
  const list = async () => {
    const wish = { tenant: "", subject: "", filter: {}, pageSize: 0, pageToken: "" };
    const { tokens } = await listTokens(context, ada, wish);
    return tokens.map((found) => [found.id, statusOf(found, context.clock())]);
  };
  pass(DAY - 1);
  expect(await list()).toEqual([[token.id, "ACTIVE"]]);
  pass(1);
  expect(await list()).toEqual([[token.id, "EXPIRED"]]);
  pass(DAY - 1);
  expect(await list()).toEqual([[token.id, "EXPIRED"]]);
  pass(1);
  expect(await list()).toEqual([]);
});

function toDuration(seconds: number) {
  return { seconds: BigInt(Math.floor(seconds)), nanos: Math.round((seconds % 1) * 1e9) };
}

function millisecondsOf(time: { seconds: bigint; nanos: number } | undefined): number {
  return Number(time?.seconds) * 1000 + Number(time?.nanos) / 1e6;
}
