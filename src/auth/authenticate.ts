import { hash, timingSafeEqual } from "node:crypto";
import { type Caller, createCaller } from "../domain/caller.ts";
import type { Clock } from "../domain/clock.ts";
import type { Kinds } from "../domain/kinds.ts";
import { statusOf, type Token } from "../domain/token.ts";
import { TokenError } from "../errors.ts";
import type { CertificateMapping } from "./certificates.ts";
import { type Credentials, collectSchemes, readCredentials } from "./credentials.ts";
import { type Issuer, isJwt, readIssuerName } from "./issuers.ts";
import { refusal } from "./refusal.ts";
import type { Metadata, Peer } from "./request.ts";

export interface AuthenticatorOptions {
  /** What `digestRootToken` makes of the root token. Undefined: there is no root. */
  readonly rootDigest: Uint8Array | undefined;
  /**
   * Finds the token of a secret, whatever its status; undefined if there is none. Takes the same time for a secret that
   * is wrong and one that is unknown. Rejects if it can't tell.
   */
  readonly verifySecret: (secret: string) => Promise<Token | undefined>;
  /** Notes that a token was used to call. */
  readonly noteUse: (token: Token) => void;
  readonly issuers: readonly Issuer[];
  readonly kinds: Kinds;
  readonly certificates: CertificateMapping;
  readonly clock: Clock;
}

/**
 * Tells who calls. An `authorization` header decides alone; a client certificate counts only without one. No other
 * header matters.
 *
 * @throws CREDENTIALS_MISSING, CREDENTIALS_INVALID, ISSUER_UNAVAILABLE, and what `verifySecret` rejects with.
 */
export type Authenticate = (metadata: Metadata, peer: Peer) => Promise<Caller>;

/** What a Latchkey token that is bound to audiences must be bound to, to call Latchkey itself. */
const AUDIENCE = "latchkey";

const root = createCaller({ credential: "root", tenant: "default", subject: "root", scopes: ["latchkey:root"] });

/** SHA-256: all that is kept of the root token. */
export function digestRootToken(token: string): Uint8Array {
  return hash("sha256", token, "buffer");
}

export function createAuthenticator(options: AuthenticatorOptions): Authenticate {
  const schemes = collectSchemes(options.kinds);
  const issuers = new Map(options.issuers.map((issuer) => [issuer.name, issuer]));

  async function authenticateHeader({ token, kind }: Credentials): Promise<Caller> {
    if (kind !== undefined) return authenticateSecret(token, kind);
    if (isRoot(token, options.rootDigest)) return root;
    return isJwt(token) ? authenticateJwt(token) : authenticateSecret(token);
  }

  async function authenticateSecret(secret: string, kind?: string): Promise<Caller> {
    const token = await options.verifySecret(secret);
    if (token === undefined) throw refusal("no such token");
    const { tenant, subject, scopes } = checkToken(token, options.clock(), kind);
    options.noteUse(token);
    return createCaller({ credential: "token", tenant, subject, scopes, token });
  }

  async function authenticateJwt(jwt: string): Promise<Caller> {
    const issuer = issuers.get(readIssuerName(jwt) ?? "");
    if (issuer === undefined) throw refusal("the JWT's issuer is not trusted");
    return createCaller({ credential: "jwt", ...(await issuer.verify(jwt, options.clock())) });
  }

  function authenticateCertificate({ certificate }: Peer): Caller {
    if (certificate === undefined) throw new TokenError("CREDENTIALS_MISSING", "the call needs credentials");
    const identity = options.certificates(certificate, options.clock());
    if (identity === undefined) throw refusal("the certificate stands for nobody");
    return createCaller({ credential: "certificate", ...identity });
  }

  return async (metadata, peer) => {
    const credentials = readCredentials(metadata, schemes);
    return credentials === undefined ? authenticateCertificate(peer) : authenticateHeader(credentials);
  };
}

function isRoot(token: string, rootDigest: Uint8Array | undefined): boolean {
  return rootDigest !== undefined && timingSafeEqual(digestRootToken(token), rootDigest);
}

function checkToken(token: Token, now: number, kind: string | undefined): Token {
  if (statusOf(token, now) !== "ACTIVE") throw refusal("the token is not active");
  // A call would have to cost a use, and a one-time token could make tokens that outlive it.
  if (token.usesLeft !== undefined) throw refusal("a token with limited uses can't call Latchkey");
  if (kind !== undefined && token.kind !== kind) throw refusal("the token is of another kind than its scheme says");
  if (token.audiences.length > 0 && !token.audiences.includes(AUDIENCE)) throw refusal("the token is for others");
  return token;
}
