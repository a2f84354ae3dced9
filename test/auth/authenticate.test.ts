import type { PeerCertificate } from "node:tls";
import { describe, expect, test, vi } from "vitest";
import { type AuthenticatorOptions, createAuthenticator, digestRootToken } from "../../src/auth/authenticate.ts";
import { createIssuer } from "../../src/auth/issuers.ts";
import { kindDefaults, kindTable } from "../../src/domain/kinds.ts";
import { findBySecret } from "../../src/domain/lookup.ts";
import type { SecretDigest, Token } from "../../src/domain/token.ts";
import { useToken } from "../../src/domain/use.ts";
import { TokenError } from "../../src/errors.ts";
import { kindOf, MINUTE, openWorld } from "../domain/world.ts";
import { answerOf, bearer, expectInvalid, failureOf, metadataOf, NOW, peer, tokenOf } from "./fixtures.ts";
import { createEd25519, keySetOf, settingsOf, signJwt } from "./jwt-fixtures.ts";

const ROOT = "lk_root_of-this-test";
const kinds = kindTable([
  { ...kindDefaults, name: "personal", prefix: "lk_pat" },
  { ...kindDefaults, name: "api", prefix: "lk_api", scheme: "OrgUserApiToken" },
]);
const certified = { ...peer, certificate: { subject: { CN: "billing" } } as PeerCertificate };

const digest: SecretDigest = {
  keyVersion: 1,
  digest: new Uint8Array(32),
  source: "",
  until: undefined,
  pendingGrace: undefined,
};

function authenticatorOf(tokens: Record<string, Token>, changes: Partial<AuthenticatorOptions> = {}) {
  return createAuthenticator({
    rootDigest: digestRootToken(ROOT),
    verifySecret: async (secret) => (tokens[secret] ? { token: tokens[secret], digest } : undefined),
    noteUse: async (token) => token,
    issuers: [],
    kinds,
    certificates: () => ({ tenant: "acme", subject: "billing", scopes: ["latchkey:introspect"] }),
    clock: () => NOW,
    ...changes,
  });
}

const authenticate = authenticatorOf({ good: tokenOf(), api: tokenOf({ kind: "api" }) });

describe("the root token", () => {
  const root = {
    credential: "root",
    tenant: "default",
    subject: "root",
    scopes: new Set(["latchkey:root"]),
    permissions: new Set(["latchkey:root", "latchkey:admin", "latchkey:introspect", "latchkey:self"]),
  };

  test.each([`Bearer ${ROOT}`, `Token ${ROOT}`, `Basic ${Buffer.from(`anybody:${ROOT}`).toString("base64")}`])(
    "is the root by %s",
    async (authorization) => {
      expect(await authenticate(metadataOf({ authorization }), peer)).toEqual(root);
    },
  );

  test.each([ROOT.slice(0, -1), `${ROOT}x`, ROOT.toUpperCase()])("is not %s", async (text) => {
    await expectInvalid(authenticate, bearer(text));
  });

  test("does not pass under the scheme of a kind", async () => {
    await expectInvalid(authenticate, metadataOf({ authorization: `OrgUserApiToken ${ROOT}` }));
  });

  test("is not known without a digest", async () => {
    await expectInvalid(authenticatorOf({}, { rootDigest: undefined }), bearer(ROOT));
  });
});

describe("a Latchkey token", () => {
  const alice = {
    credential: "token",
    tenant: "acme",
    subject: "alice",
    scopes: new Set(["latchkey:self", "photos:read"]),
    permissions: new Set(["latchkey:self"]),
    token: expect.objectContaining({ id: "0000000000000000abc" }),
  };

  test("is used by a call that it is good for, and by no other", async () => {
    const noteUse = vi.fn(async (token: Token) => token);
    const tokens = { good: tokenOf(), once: tokenOf({ usesLeft: 1 }) };
    await authenticatorOf(tokens, { noteUse })(bearer("good"), peer);
    expect(noteUse.mock.calls).toEqual([[tokens.good, digest]]);
    await expectInvalid(authenticatorOf(tokens, { noteUse }), bearer("once"));
    expect(noteUse).toHaveBeenCalledTimes(1);
  });

  test("that must not go unused goes on with each call", async () => {
    const world = await openWorld(kindOf({ idleTimeout: 30 * MINUTE }));
    const { context } = world;
    const { token, secret } = await world.issue({ kind: "test", scopes: ["latchkey:self"] });
    const calling = authenticatorOf(
      {},
      {
        verifySecret: (text) => findBySecret(context, text),
        noteUse: (used, by) => useToken(context, used, by, context.clock()),
        clock: context.clock,
      },
    );
    for (let round = 0; round < 3; round++) {
      world.pass(20 * MINUTE);
      expect(await calling(bearer(secret), peer)).toMatchObject({ subject: "ada" });
      await context.lastUse.flush();
      expect((await context.store.find(token.id))?.lastUsedTime).toBe(context.clock());
    }
    world.pass(30 * MINUTE);
    await expectInvalid(calling, bearer(secret));
  });

  test("that others change at this moment is looked up anew, until the use is noted", async () => {
    const answers = [undefined, undefined, tokenOf({ version: 3 })];
    const noteUse = vi.fn(async () => answers.shift());
    expect(await authenticatorOf({ good: tokenOf() }, { noteUse })(bearer("good"), peer)).toEqual(alice);
    expect(noteUse).toHaveBeenCalledTimes(3);
  });

  test("that others keep changing is not called invalid", async () => {
    const noteUse = async () => undefined;
    const error = await failureOf(authenticatorOf({ good: tokenOf() }, { noteUse })(bearer("good"), peer));
    expect(error).toMatchObject({
      code: "ABORTED",
      reason: "CONFLICT",
      message: "others keep changing the token that you call with; try again",
    });
  });

  test("speaks for its owner, with its scopes", async () => {
    expect(await authenticate(bearer("good"), peer)).toEqual(alice);
  });

  test.each<[string, Partial<Token>]>([
    ["bound to latchkey among others", { audiences: ["latchkey", "photos"] }],
    ["permanent", { expireTime: undefined, purgeTime: undefined }],
  ])("that is %s may call", async (_, changes) => {
    expect(await authenticatorOf({ it: tokenOf(changes) })(bearer("it"), peer)).toEqual(alice);
  });

  test.each<[string, Partial<Token>]>([
    ["expired this very moment", { expireTime: NOW }],
    ["expired long ago", { expireTime: NOW - 1000 }],
    ["switched off", { active: false }],
    ["used up", { usesLeft: 0 }],
    ["limited in its uses, with uses left", { usesLeft: 5 }],
    ["bound to other audiences", { audiences: ["photos", "latchkey.example"] }],
    ["of a tenant that is no name", { tenant: "" }],
  ])("that is %s gets the answer of an unknown one", async (_, changes) => {
    await expectInvalid(authenticatorOf({ it: tokenOf(changes) }), bearer("it"));
    await expectInvalid(authenticatorOf({}), bearer("it"));
  });

  test("of the scheme's kind passes, another kind does not", async () => {
    const withScheme = (secret: string) => metadataOf({ authorization: `orguserapitoken ${secret}` });
    expect(await authenticate(withScheme("api"), peer)).toMatchObject({ tenant: "acme", subject: "alice" });
    await expectInvalid(authenticate, withScheme("good"));
    expect(await authenticate(bearer("api"), peer)).toMatchObject({ tenant: "acme", subject: "alice" });
  });

  test("is looked up exactly as it was sent", async () => {
    const verifySecret = vi.fn(async () => undefined);
    await expectInvalid(authenticatorOf({}, { verifySecret }), bearer("aBc~_+/="));
    expect(verifySecret.mock.calls).toEqual([["aBc~_+/="]]);
  });

  test("is not called invalid while the store can't be asked", async () => {
    const verifySecret = async () => {
      throw new TokenError("STORE_UNAVAILABLE", "the store can't be reached");
    };
    const error = await failureOf(authenticatorOf({}, { verifySecret })(bearer("good"), peer));
    expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE" });
  });
});

describe("a JWT", () => {
  const key = createEd25519("ed");
  const trusted = createIssuer(settingsOf({ keys: { keys: keySetOf(key) } }));
  const foreign = signJwt(key, { iss: "latchkey" });
  const tokens = { [foreign]: tokenOf(), [signJwt(key)]: tokenOf({ subject: "mallory" }) };

  test("of an issuer that is not trusted may be the secret of a token", async () => {
    const answer = { credential: "token", subject: "alice" };
    expect(await authenticatorOf(tokens)(bearer(foreign), peer)).toMatchObject(answer);
    expect(await authenticatorOf(tokens, { issuers: [trusted] })(bearer(foreign), peer)).toMatchObject(answer);
  });

  test("of a trusted issuer is that one's alone, whatever else knows it", async () => {
    const both = authenticatorOf(tokens, { issuers: [trusted] });
    expect(await both(bearer(signJwt(key)), peer)).toMatchObject({ credential: "jwt", subject: "alice" });
    const forged = signJwt(createEd25519("ed"));
    await expectInvalid(authenticatorOf({ [forged]: tokenOf() }, { issuers: [trusted] }), bearer(forged));
  });

  test("under the scheme of a kind is a token of that kind or nothing", async () => {
    const withScheme = (secret: string) => metadataOf({ authorization: `OrgUserApiToken ${secret}` });
    const both = authenticatorOf({ [foreign]: tokenOf({ kind: "api" }) }, { issuers: [trusted] });
    expect(await both(withScheme(foreign), peer)).toMatchObject({ credential: "token", subject: "alice" });
    await expectInvalid(both, withScheme(signJwt(key)));
  });

  test("of nobody gets the answer of any unknown token, and the log learns that it was one", async () => {
    await expectInvalid(authenticatorOf({}, { issuers: [trusted] }), bearer(foreign));
    const error = await failureOf(authenticatorOf({})(bearer(foreign), peer));
    expect(error.cause).toBe("no such token or trusted issuer");
    expect((await failureOf(authenticatorOf({})(bearer("unknown"), peer))).cause).toBe("no such token");
  });
});

describe("headers other than authorization", () => {
  const spoofed = {
    "x-tenant": "victim",
    "x-tenant-id": "victim",
    "x-app-id": "victim",
    "x-forwarded-user": "root",
    "x-remote-user": "root",
    "x-user": "root",
    "x-scopes": "latchkey:root",
    "x-forwarded-client-cert": 'Subject="CN=root"',
    "x-ssl-client-s-dn": "CN=root",
    "authorization-bin": `Bearer ${ROOT}`,
    "proxy-authorization": `Bearer ${ROOT}`,
    cookie: `authorization=Bearer ${ROOT}`,
  };

  test("change nothing about who calls", async () => {
    const plain = await authenticate(bearer("good"), peer);
    expect(await authenticate(metadataOf({ ...spoofed, authorization: "Bearer good" }), peer)).toEqual(plain);
  });

  test("are no credentials", async () => {
    const error = await failureOf(authenticate(metadataOf(spoofed), peer));
    expect(answerOf(error)).toMatchObject({ code: "UNAUTHENTICATED", reason: "CREDENTIALS_MISSING" });
  });
});

describe("a client certificate", () => {
  test("speaks for whom it is mapped to", async () => {
    expect(await authenticate(metadataOf({}), certified)).toEqual({
      credential: "certificate",
      tenant: "acme",
      subject: "billing",
      scopes: new Set(["latchkey:introspect"]),
      permissions: new Set(["latchkey:introspect"]),
    });
  });

  test("that is mapped to nobody is invalid, not missing", async () => {
    await expectInvalid(authenticatorOf({}, { certificates: () => undefined }), metadataOf({}), certified);
  });

  test("does not count beside a good header", async () => {
    expect(await authenticate(bearer("good"), certified)).toMatchObject({ credential: "token", subject: "alice" });
  });

  test.each(["Bearer unknown", "Bearer", "", "Digest x"])("does not help a bad header: %j", async (authorization) => {
    await expectInvalid(authenticate, metadataOf({ authorization }), certified);
  });
});

test("without header and certificate the credentials are missing", async () => {
  const error = await failureOf(authenticate(metadataOf({}), peer));
  expect(error).toMatchObject({
    code: "UNAUTHENTICATED",
    reason: "CREDENTIALS_MISSING",
    message: "the call needs credentials",
  });
});
