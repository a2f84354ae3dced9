import { hash, timingSafeEqual } from "node:crypto";
import { type Caller, createCaller } from "../domain/caller.ts";
import type { Clock } from "../domain/clock.ts";
import { isJwt } from "../domain/jwt.ts";
import type { Kinds } from "../domain/kinds.ts";
import type { ProvenToken } from "../domain/lookup.ts";
import { type SecretDigest, statusOf, type Token } from "../domain/token.ts";
import { TokenError } from "../errors.ts";
import type { CertificateMapping } from "./certificates.ts";
import { type Credentials, collectSchemes, readCredentials } from "./credentials.ts";
import { type Issuer, readIssuerName } from "./issuers.ts";
import { refusal } from "./refusal.ts";
import type { Metadata, Peer } from "./request.ts";

export interface AuthenticatorOptions {
  /** What `digestRootToken` makes of the root token. Undefined: there is no root. */
  readonly rootDigest: Uint8Array | undefined;
  /**
   * Finds the token of a secret, whatever its status; undefined if there is none. Takes the same time for a secret that
   * is wrong and one that is unknown. Rejects if it can't tell.
   */
  readonly verifySecret: (secret: string) => Promise<ProvenToken | undefined>;
  /** Notes that a token was used to call. Undefined: it was changed meanwhile. */
  readonly noteUse: (token: Token, digest: SecretDigest) => Token | Promise<Token | undefined>;
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

/**
 * The same for a call of a method, named as in the proto: what a caller may be remembered for depends on that. One who is remembered is
 * answered at once, since a promise would cost as much as the memory saves.
 */
export type AuthenticateCall = (metadata: Metadata, peer: Peer, method: string) => Caller | Promise<Caller>;

/** Of N that use a new secret for the first time at the same moment, one wins each round. */
const MAX_ROUNDS = 100;

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
    const issuer = isJwt(token) ? issuers.get(readIssuerName(token) ?? "") : undefined;
    if (issuer === undefined) return authenticateSecret(token);
    return createCaller({ credential: "jwt", ...(await issuer.verify(token, options.clock())) });
  }

  async function authenticateSecret(secret: string, kind?: string): Promise<Caller> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const proven = await options.verifySecret(secret);
      if (proven === undefined) throw refusal(isJwt(secret) ? "no such token or trusted issuer" : "no such token");
      const { tenant, subject, scopes } = checkToken(proven.token, options.clock(), kind);
      const token = await options.noteUse(proven.token, proven.digest);
      if (token) return createCaller({ credential: "token", tenant, subject, scopes, token });
    }
    throw new TokenError("CONFLICT", "others keep changing the token that you call with; try again");
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
