import { decodeJwt, errors, type JWTHeaderParameters, type JWTPayload, jwtVerify } from "jose";
import { TokenError } from "../errors.ts";
import { type ClaimMapping, readIdentity } from "./claims.ts";
import type { Identity } from "./identity.ts";
import { createKeyFinder, type KeySource } from "./jwks.ts";
import { refusal } from "./refusal.ts";

/** Signatures that can be trusted: all of two keys, so that nothing public can be taken for a shared secret. */
export const ALGORITHMS = [
  "EdDSA",
  "Ed25519",
  "ES256",
  "ES384",
  "ES512",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
] as const;

/** A party whose JWTs count as proof of who calls. */
export interface IssuerSettings {
  /** The `iss` of its JWTs, exactly. */
  readonly issuer: string;
  /** A JWT must name one of these in its `aud`. */
  readonly audiences: readonly string[];
  readonly algorithms: readonly (typeof ALGORITHMS)[number][];
  readonly keys: KeySource;
  /** How far its clock and ours may be apart, in milliseconds. */
  readonly clockTolerance: number;
  readonly claims: ClaimMapping;
}

/** A party that can say who calls. */
export interface Issuer {
  readonly name: string;
  /**
   * Whom the JWT stands for at `now` (milliseconds since 1970).
   *
   * @throws CREDENTIALS_INVALID, ISSUER_UNAVAILABLE
   */
  verify(jwt: string, now: number): Promise<Identity>;
}

export function createIssuer(settings: IssuerSettings): Issuer {
  const findKey = createKeyFinder(settings.keys);
  const options = {
    issuer: settings.issuer,
    audience: [...settings.audiences],
    algorithms: [...settings.algorithms],
    requiredClaims: ["exp"],
    clockTolerance: settings.clockTolerance / 1000,
  };
  async function verify(jwt: string, now: number): Promise<Identity> {
    try {
      const { payload, protectedHeader } = await jwtVerify(jwt, findKey, { ...options, currentDate: new Date(now) });
      const latest = now + settings.clockTolerance;
      checkType(protectedHeader);
      checkIssueTime(payload, latest);
      return readIdentity(payload, settings.claims, latest);
    } catch (error) {
      throw error instanceof TokenError ? error : refuse(error);
    }
  }
  return { name: settings.issuer, verify };
}

/** The `iss` that a JWT claims to be from: not verified, good only for choosing who verifies it. */
export function readIssuerName(jwt: string): string | undefined {
  try {
    const { iss } = decodeJwt(jwt);
    return typeof iss === "string" ? iss : undefined;
  } catch {
    return undefined;
  }
}

/** An issuer signs more than logins, for example logout and security events; they say so in `typ` (RFC 8725, 3.11). */
function checkType({ typ }: JWTHeaderParameters): void {
  if (typ === undefined) return;
  const type = typeof typ === "string" ? typ.toLowerCase().replace(/^application\//, "") : "";
  if (type !== "jwt" && type !== "at+jwt") throw refusal("the JWT is of another type");
}

function checkIssueTime({ iat }: JWTPayload, latest: number): void {
  if (iat !== undefined && iat * 1000 > latest) throw refusal("the JWT was issued in the future");
}

/** jose's errors hold the claims; of them, only the code goes to the log. */
function refuse(error: unknown): TokenError {
  return refusal(error instanceof errors.JOSEError ? error.code : "the JWT's key can't be used");
}
