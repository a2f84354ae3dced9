import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { JSONWebKeySet, JWK } from "jose";
import { createAuthenticator } from "../../src/auth/authenticate.ts";
import { createIssuer, type IssuerSettings } from "../../src/auth/issuers.ts";
import { builtInKinds } from "../../src/domain/kinds.ts";
import { NOW } from "./fixtures.ts";

export const ISSUER = "https://login.example";
export const AUDIENCE = "latchkey.example";

/** A key of an issuer, with the part that it publishes. */
export interface SigningKey {
  readonly privateKey: KeyObject;
  readonly jwk: JWK;
}

export function createEd25519(kid: string): SigningKey {
  return toSigningKey(generateKeyPairSync("ed25519").privateKey, { kid, alg: "EdDSA" });
}

export function createRsa(kid: string): SigningKey {
  return toSigningKey(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey, { kid, alg: "RS256" });
}

export function createEs256(kid: string): SigningKey {
  return toSigningKey(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey, { kid, alg: "ES256" });
}

function toSigningKey(privateKey: KeyObject, about: { kid: string; alg: string }): SigningKey {
  return { privateKey, jwk: { ...createPublicKey(privateKey).export({ format: "jwk" }), ...about } as JWK };
}

export const claims = {
  iss: ISSUER,
  aud: AUDIENCE,
  sub: "alice",
  org: "acme",
  scope: "latchkey:self photos:read",
  iat: NOW / 1000 - 60,
  exp: NOW / 1000 + 60,
};

type Values = Readonly<Record<string, unknown>>;

/** A JWT as its signer wants it, lawful or not. An undefined header or claim is left out. */
export function signJwt(key: SigningKey, payload: Values = {}, header: Values = {}): string {
  const head = encode({ alg: key.jwk.alg, kid: key.jwk.kid, typ: "JWT", ...header });
  return signText(key, `${head}.${encode({ ...claims, ...payload })}`);
}

export function signText({ privateKey, jwk }: SigningKey, text: string): string {
  const digest = jwk.kty === "OKP" ? null : "sha256";
  return `${text}.${sign(digest, Buffer.from(text), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

export function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

export function keySetOf(...keys: SigningKey[]): JSONWebKeySet {
  return { keys: keys.map(({ jwk }) => jwk) };
}

export function settingsOf(changes: Partial<IssuerSettings> & Pick<IssuerSettings, "keys">): IssuerSettings {
  return {
    issuer: ISSUER,
    audiences: [AUDIENCE],
    algorithms: ["EdDSA", "ES256", "RS256"],
    clockTolerance: 30_000,
    claims: {
      subject: ["sub"],
      tenant: { claim: ["org"] },
      scopes: ["scope"],
      scopeTable: undefined,
      defaultScopes: [],
      allowedScopes: new Set(["latchkey:self"]),
    },
    ...changes,
  };
}

/** An authenticator that trusts these issuers, and knows neither a root nor a Latchkey token. */
export function trusting(...issuers: IssuerSettings[]) {
  return createAuthenticator({
    rootDigest: undefined,
    verifySecret: async () => undefined,
    noteUse: async (token) => token,
    issuers: issuers.map(createIssuer),
    kinds: builtInKinds,
    certificates: () => undefined,
    clock: () => NOW,
  });
}
