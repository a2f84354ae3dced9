import { createHash, createHmac, createSecretKey } from "node:crypto";
import { SignJWT } from "jose";
import { beforeEach, describe, expect, test } from "vitest";
import { aliasesOf } from "../../src/domain/alias.ts";
import type { Context } from "../../src/domain/context.ts";
import { type ForeignToken, importToken, REMEMBERED } from "../../src/domain/import.ts";
import { createDigestSource, createJwtSource } from "../../src/domain/imported.ts";
import { introspect } from "../../src/domain/introspect.ts";
import { createKeyRing } from "../../src/domain/keys.ts";
import type { Kind } from "../../src/domain/kinds.ts";
import { deleteToken } from "../../src/domain/revoke.ts";
import { rotateToken } from "../../src/domain/rotate.ts";
import { setActive } from "../../src/domain/set-active.ts";
import { updateToken } from "../../src/domain/update.ts";
import { ask, DAY, HOUR, kindOf, NOW, openWorld, refusal, root, serviceKey, type World } from "./world.ts";

const SECRET = "an-old-secret";
const HMAC_KEY = Buffer.alloc(32, "the old system's");
const JWT_KEY = createSecretKey(Buffer.alloc(32, "the old system signs"));

const SOURCES = [
  createDigestSource({ name: "sha", algorithm: "sha256", secret: undefined }),
  createDigestSource({ name: "mac", algorithm: "hmac-sha512", secret: HMAC_KEY }),
  createJwtSource({ name: "jwt", issuer: "old", algorithm: "HS256", keys: [{ kid: undefined, key: JWT_KEY }] }),
];

const sha256 = (text: string) => createHash("sha256").update(text).digest();

function foreign(changes: Partial<ForeignToken> = {}): ForeignToken {
  return {
    source: "sha",
    digest: sha256(SECRET).toString("hex"),
    jwtId: "",
    tenant: "acme",
    subject: "ada",
    kind: "personal",
    label: "",
    hint: "",
    scopes: [],
    audiences: [],
    claims: undefined,
    clientId: "",
    createTime: undefined,
    expireTime: NOW + DAY,
    active: true,
    usesLeft: undefined,
    ...changes,
  };
}

const KINDS: Kind[] = [
  kindOf({ name: "brief", prefix: "brf", maxLifetime: HOUR }),
  kindOf({ name: "fixed", prefix: "fix", allowedLifetimes: [HOUR] }),
  kindOf({ name: "few", prefix: "few", maxPerSubject: 2 }),
  kindOf({ name: "one", prefix: "one", reuse: true }),
  kindOf({ name: "named", prefix: "nam", uniqueLabels: true }),
  kindOf({ name: "counted", prefix: "cnt", defaultUses: 2, maxUses: 3 }),
  kindOf({ name: "idle", prefix: "idl", idleTimeout: HOUR }),
  kindOf({ name: "home", prefix: "hom", tenants: ["home"] }),
];

let world: World;
let context: Context;
let keysOf: (...versions: [number, ...number[]]) => Context;
beforeEach(async () => {
  world = await openWorld(...KINDS);
  keysOf = (first, ...others) => ({
    ...world.context,
    keys: createKeyRing([serviceKey(first), ...others.map(serviceKey)], SOURCES),
  });
  context = keysOf(1);
});

const importAs = (changes?: Partial<ForeignToken>, run = "run") => importToken(context, run, foreign(changes));
const present = (secret = SECRET, by = context) => introspect(by, root, ask(secret));
const idOf = async (secret = SECRET) => {
  const verdict = await introspect(context, root, ask(secret, { peek: true }));
  return verdict.active ? verdict.token.id : "";
};

describe("an imported token", () => {
  test("is good by its old secret, with all that it had", async () => {
    const fields = {
      kind: "personal",
      label: "laptop",
      hint: "old_1234",
      claims: { team: "a" },
      clientId: "cli",
      createTime: NOW - 100 * DAY,
      expireTime: NOW + 400 * DAY,
      usesLeft: 7,
    };
    const outcome = await importAs({ ...fields, scopes: ["b", "a", "b"], audiences: ["y", "x"] });
    expect(outcome).toBe("imported");
    const verdict = await introspect(context, root, ask(SECRET, { audience: "x", scopes: ["a"], peek: true }));
    expect(verdict).toMatchObject({
      active: true,
      token: {
        ...fields,
        tenant: "acme",
        subject: "ada",
        scopes: ["a", "b"],
        audiences: ["x", "y"],
        creator: "import",
        parentId: "",
        version: 1,
        revision: 1,
        lastUsedTime: undefined,
        purgeTime: NOW + 401 * DAY,
      },
    });
  });

  test("without times is permanent and made now, where its kind has permanent tokens", async () => {
    await importAs({ expireTime: undefined });
    expect(await present()).toMatchObject({
      active: true,
      token: { createTime: NOW, expireTime: undefined, purgeTime: undefined },
    });
  });

  test("may have less to live than any of the lives that its kind names", async () => {
    await importAs({ kind: "fixed", expireTime: NOW + HOUR / 2 });
    expect(await present()).toMatchObject({ active: true, token: { expireTime: NOW + HOUR / 2 } });
  });

  test("can be switched off", async () => {
    await importAs({ active: false });
    expect(await present()).toEqual({ active: false, reason: "INACTIVE" });
    await setActive(context, root, { secret: SECRET }, true);
    expect(await present()).toMatchObject({ active: true });
  });

  test.each([
    ["hex", "hex"],
    ["base64url", "base64url"],
    ["base64", "base64"],
  ] as const)("is known by its digest in %s", async (_, encoding) => {
    // A text whose digest has all that tells base64 and base64url apart.
    const secret = "secret-2";
    expect(sha256(secret).toString("base64")).toMatch(/\+.*\/.*=$|\/.*\+.*=$/);
    await importAs({ digest: sha256(secret).toString(encoding) });
    expect(await present(secret)).toMatchObject({ active: true });
  });

  test("is known by its digest in upper-case hex, and by an HMAC", async () => {
    await importAs({ digest: sha256(SECRET).toString("hex").toUpperCase() });
    await importAs({ source: "mac", digest: createHmac("sha512", HMAC_KEY).update("other").digest("base64url") });
    expect(await present()).toMatchObject({ active: true });
    expect(await present("other")).toMatchObject({ active: true });
  });

  test("is known by the jti of a JWT, whatever the JWT itself says of its end", async () => {
    const jwt = new SignJWT({ iss: "old", jti: "id 1/ü", exp: 1 }).setProtectedHeader({ alg: "HS256" });
    const [secret, forged] = [await jwt.sign(JWT_KEY), await jwt.sign(Buffer.alloc(32, 1))];
    await importAs({ source: "jwt", digest: "", jwtId: "id 1/ü" });
    expect(await present(secret)).toMatchObject({ active: true });
    expect(await present(forged)).toEqual({ active: false, reason: "SIGNATURE" });
  });

  test("has the uses that are left, or else those of its kind, and loses one with each", async () => {
    await importAs({ kind: "counted" });
    await importAs({ kind: "counted", digest: sha256("other").toString("hex"), usesLeft: 1 });
    const reasons = [];
    for (const secret of [SECRET, SECRET, SECRET, "other", "other"]) reasons.push(await present(secret));
    expect(reasons.map((verdict) => (verdict.active ? "ACTIVE" : verdict.reason))).toEqual([
      "ACTIVE",
      "ACTIVE",
      "EXHAUSTED",
      "ACTIVE",
      "EXHAUSTED",
    ]);
  });

  test("of a kind that must not go unused has its time from the import on", async () => {
    await importAs({ kind: "idle", createTime: NOW - 30 * DAY });
    world.pass(HOUR - 1);
    expect(await present()).toMatchObject({ active: true });
    await context.lastUse.flush();
    world.pass(HOUR);
    expect(await present()).toEqual({ active: false, reason: "EXPIRED" });
  });

  test("of such a kind is found as long as it is used, also after its end was moved", async () => {
    await importAs({ kind: "idle", expireTime: NOW + 2 * DAY });
    const useFor = async (span: number) => {
      for (let time = 0; time < span; time += HOUR / 2) {
        world.pass(HOUR / 2);
        expect(await present()).toMatchObject({ active: true });
        await context.lastUse.flush();
      }
    };
    await useFor(DAY + 2 * HOUR);
    await updateToken(context, root, { id: await idOf() }, { expireTime: NOW + 5 * DAY }, "");
    await useFor(2 * DAY);
  });

  test("is gone once it is deleted", async () => {
    await importAs();
    expect(await deleteToken(context, root, { secret: SECRET })).toBe(1);
    expect(await present()).toEqual({ active: false, reason: "UNKNOWN" });
  });

  test("gets a secret of ours when it is rotated, and the old one is spent", async () => {
    await importAs();
    const rotation = { handle: { secret: SECRET }, grace: 0, activateOnFirstUse: false, requestId: "" };
    const { token, secret } = await rotateToken(context, root, rotation);
    expect(secret).toMatch(/^lk_pat_/);
    expect(token.hint).toMatch(/^lk_pat_/);
    expect(await present(secret)).toMatchObject({ active: true, token: { id: token.id } });
    expect(await present()).toEqual({ active: false, reason: "SPENT" });
    expect(world.events).toMatchObject([{ type: "spent-secret-presented", tokenId: token.id }]);
  });

  test("is found as long as its record is there, also when its end was moved", async () => {
    await importAs({ expireTime: NOW + HOUR });
    const id = await idOf();
    await updateToken(context, root, { id }, { expireTime: NOW + 100 * DAY }, "");
    world.pass(99 * DAY);
    expect(await present()).toMatchObject({ active: true, token: { id } });
    await updateToken(context, root, { id }, { expireTime: undefined }, "");
    world.pass(9999 * DAY);
    expect(await present()).toMatchObject({ active: true, token: { id } });
  });

  test("is good as long as the service key of its import is there, whichever is current", async () => {
    await importAs();
    expect(await present(SECRET, keysOf(2, 1))).toMatchObject({ active: true });
    expect(await present(SECRET, keysOf(2))).toEqual({ active: false, reason: "UNKNOWN" });
  });

  test("is not called unknown by an instance that lacks the newer key of its import", async () => {
    await importToken(keysOf(2, 1), "run", foreign());
    await expect(present(SECRET, keysOf(1))).rejects.toMatchObject(refusal("KEY_MISSING"));
  });

  test("is kept by its HMAC and a keyed name, from which nobody learns the digest that it had", async () => {
    await importAs();
    const [alias] = aliasesOf(context.keys, { source: "sha", material: sha256(SECRET).toString("hex") });
    const id = context.store.shardTag(foreign()) + alias;
    const token = await context.store.find(id);
    expect(await idOf()).toBe(id);
    expect(token?.digests).toMatchObject([{ keyVersion: 1, source: "sha" }]);
    expect(Buffer.from(token?.digests[0]?.digest ?? []).equals(sha256(SECRET))).toBe(false);
  });
});

describe("a token that is imported again", () => {
  test("is known, and stays as it is", async () => {
    await importAs({ label: "first" });
    const id = await idOf();
    await updateToken(context, root, { id }, { label: "changed" }, "");
    expect(await importAs({ label: "second" })).toBe("known");
    expect(await importAs({ label: "second" }, "another run")).toBe("known");
    expect(await context.store.find(id)).toMatchObject({ label: "changed", version: 2 });
  });

  test("is known under a newer service key", async () => {
    await importAs();
    expect(await importToken(keysOf(2, 1), "another run", foreign())).toBe("known");
  });

  test("is imported if only its name was written before", async () => {
    const [alias] = aliasesOf(context.keys, { source: "sha", material: sha256(SECRET).toString("hex") });
    await context.store.addAlias(alias, context.store.shardTag(foreign()) + alias, undefined);
    expect(await importAs()).toBe("imported");
    expect(await present()).toMatchObject({ active: true });
  });

  test("was deleted meanwhile: stays so within the same run for a week, and comes back with another", async () => {
    await importAs();
    await deleteToken(context, root, { secret: SECRET });
    world.pass(HOUR);
    expect(await importAs()).toBe("known");
    expect(await present()).toEqual({ active: false, reason: "UNKNOWN" });
    expect(await importAs({}, "another run")).toBe("imported");
    expect(await present()).toMatchObject({ active: true });
  });

  test("is remembered by its run as long as `REMEMBERED` says", async () => {
    await importAs({ expireTime: undefined });
    await deleteToken(context, root, { secret: SECRET });
    world.pass(REMEMBERED - 1);
    expect(await importAs({ expireTime: undefined })).toBe("known");
    world.pass(1);
    expect(await importAs({ expireTime: undefined })).toBe("imported");
  });

  test("by 50 at once is imported once", async () => {
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => importAs()));
    expect(outcomes.filter((outcome) => outcome === "imported")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "known")).toHaveLength(49);
    expect(await present()).toMatchObject({ active: true });
  });

  test.each(["bob", "carol"])("for another owner (%s) is refused", async (subject) => {
    await importAs();
    const message = "digest: was imported for another tenant or subject";
    await expect(importAs({ subject })).rejects.toMatchObject(refusal("CONFLICT", message));
    await deleteToken(context, root, { secret: SECRET });
    await expect(importAs({ subject }, "another run")).rejects.toMatchObject(refusal("CONFLICT", message));
    expect(await present()).toEqual({ active: false, reason: "UNKNOWN" });
  });

  test("for other owners at once is imported for one of them", async () => {
    const subjects = Array.from({ length: 20 }, (_, n) => `user-${n}`);
    const outcomes = await Promise.allSettled(subjects.map((subject) => importAs({ subject })));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ reason: "CONFLICT" });
    }
  });
});

describe("refuses", () => {
  const hex = (bytes: number) => "ab".repeat(bytes);
  test.each<[string, Partial<ForeignToken>, Parameters<typeof refusal>]>([
    [
      "an unknown source",
      { source: "nothing" },
      ["INVALID_REQUEST", "source: none of those that the keys file imports: sha, mac, jwt"],
    ],
    ["no digest", { digest: "" }, ["INVALID_REQUEST", "digest: is missing"]],
    ["a short digest", { digest: hex(31) }, ["INVALID_REQUEST", "digest: must be 32 bytes in hex or base64"]],
    ["a long digest", { digest: hex(33) }, ["INVALID_REQUEST", "digest: must be 32 bytes in hex or base64"]],
    [
      "a digest of another algorithm",
      { digest: hex(64) },
      ["INVALID_REQUEST", "digest: must be 32 bytes in hex or base64"],
    ],
    ["half a byte", { digest: hex(32).slice(1) }, ["INVALID_REQUEST", "digest: must be 32 bytes in hex or base64"]],
    [
      "junk in base64",
      { digest: `${sha256("x").toString("base64").slice(0, -2)}*=` },
      ["INVALID_REQUEST", "digest: must be 32 bytes in hex or base64"],
    ],
    [
      "base64 with bits that mean nothing",
      { digest: `${"A".repeat(42)}B` },
      ["INVALID_REQUEST", "digest: must be 32 bytes in hex or base64"],
    ],
    ["a short HMAC", { source: "mac" }, ["INVALID_REQUEST", "digest: must be 64 bytes in hex or base64"]],
    [
      "a jti for a source of digests",
      { jwtId: "x" },
      ["INVALID_REQUEST", "jwt_id: not for sha, whose secrets are known by digests"],
    ],
    [
      "a digest for a source of JWTs",
      { source: "jwt" },
      ["INVALID_REQUEST", "digest: not for jwt, whose secrets are JWTs"],
    ],
    ["no jti", { source: "jwt", digest: "" }, ["INVALID_REQUEST", "jwt_id: is missing"]],
    ["an unknown kind", { kind: "nothing" }, ["KIND_UNKNOWN"]],
    [
      "a kind that the tenant does not have",
      { kind: "home" },
      ["KIND_NOT_ALLOWED", "kind: there are no tokens of kind home in this tenant"],
    ],
    [
      "what is expired",
      { expireTime: NOW },
      ["LIFETIME_INVALID", "expire_time: is past: the token is expired already"],
    ],
    [
      "an end beyond the kind's longest life",
      { kind: "brief", expireTime: NOW + HOUR + 1 },
      ["LIFETIME_TOO_LONG", "expire_time: tokens of kind brief live 1 hour at most"],
    ],
    [
      "a permanent token where the kind has none",
      { kind: "few", expireTime: undefined },
      ["PERMANENT_NOT_ALLOWED", "expire_time: is missing: tokens of kind few expire"],
    ],
    ["a beginning in the future", { createTime: NOW + 1 }, ["INVALID_REQUEST", "create_time: is in the future"]],
    ["a beginning before 1970", { createTime: -1 }, ["INVALID_REQUEST", "create_time: is before 1970"]],
    [
      "more uses than the kind has",
      { kind: "counted", usesLeft: 4 },
      ["USES_INVALID", "uses_left: tokens of kind counted have 3 at most"],
    ],
    ["a blank label where it must be unique", { kind: "named", label: " " }, ["LABEL_REQUIRED"]],
    ["claims that are too large", { claims: { a: "x".repeat(4096) } }, ["CLAIMS_INVALID"]],
    ["claims that JSON can't hold", { claims: { a: Number.POSITIVE_INFINITY } }, ["CLAIMS_INVALID"]],
    ["a scope of ours that is none", { scopes: ["latchkey:all"] }, ["SCOPE_BEYOND_CALLER"]],
  ])("%s, and stores nothing", async (_, changes, [reason, message]) => {
    await expect(importAs(changes)).rejects.toMatchObject(refusal(reason, message));
    expect(await context.store.page({ tenant: "acme", limit: 10 })).toEqual([]);
  });

  test("a label that another live token has", async () => {
    const digests = ["a", "b", "c"].map((text) => sha256(text).toString("hex"));
    expect(await importAs({ kind: "named", label: "x", digest: digests[0] ?? "" })).toBe("imported");
    expect(await importAs({ kind: "named", label: "y", digest: digests[1] ?? "" })).toBe("imported");
    await expect(importAs({ kind: "named", label: "x", digest: digests[2] ?? "" })).rejects.toMatchObject(
      refusal("LABEL_TAKEN", "label: another live token of this subject and kind has it"),
    );
  });

  test.each([
    ["few", 2],
    ["one", 1],
  ])("more tokens of kind %s than a subject may have", async (kind, most) => {
    const digests = ["a", "b", "c"].map((text) => sha256(text).toString("hex"));
    for (const digest of digests.slice(0, most)) expect(await importAs({ kind, digest })).toBe("imported");
    await expect(importAs({ kind, digest: digests[most] ?? "" })).rejects.toMatchObject(
      refusal("CAP_REACHED", `subject: has ${most} live tokens of kind ${kind}, the most there may be`),
    );
  });
});

test("the permissions of Latchkey can be imported", async () => {
  await importAs({ scopes: ["latchkey:admin", "repo:read"] });
  expect(await present()).toMatchObject({ active: true, token: { scopes: ["latchkey:admin", "repo:read"] } });
});
