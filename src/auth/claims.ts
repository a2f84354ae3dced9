import type { JWTPayload } from "jose";
import type { Identity } from "./identity.ts";
import { refusal } from "./refusal.ts";

/** The names that lead to a claim, for example `["realm_access", "roles"]`. */
export type ClaimPath = readonly string[];

/** How the claims of an issuer's JWTs turn into an identity. Whatever a JWT says, it never gets more than this allows. */
export interface ClaimMapping {
  readonly subject: ClaimPath;
  readonly tenant: { readonly value: string } | { readonly claim: ClaimPath };
  /** A claim that is a list of strings, or a string with spaces between. */
  readonly scopes: ClaimPath;
  /** The scopes that each value of the claim stands for; other values count for nothing. Undefined: values are scopes. */
  readonly scopeTable: ReadonlyMap<string, readonly string[]> | undefined;
  /** What every JWT of the issuer gets. */
  readonly defaultScopes: readonly string[];
  /** All other scopes are dropped. */
  readonly allowedScopes: ReadonlySet<string>;
}

/**
 * @param latest the moment (milliseconds since 1970) from which on a login is in the future.
 * @throws CREDENTIALS_INVALID if the claims name no tenant or no subject.
 */
export function readIdentity(claims: JWTPayload, mapping: ClaimMapping, latest: number): Identity {
  const tenant = "value" in mapping.tenant ? mapping.tenant.value : readClaim(claims, mapping.tenant.claim);
  const subject = readClaim(claims, mapping.subject);
  if (typeof tenant !== "string") throw refusal("the JWT names no tenant");
  if (typeof subject !== "string") throw refusal("the JWT names no subject");
  return { tenant, subject, scopes: readScopes(claims, mapping), authTime: readAuthTime(claims, latest) };
}

/** The login counts as not known where the claim makes no sense (OpenID Connect Core, section 2: seconds since 1970). */
function readAuthTime({ auth_time }: JWTPayload, latest: number): number | undefined {
  const time = typeof auth_time === "number" ? Math.floor(auth_time * 1000) : Number.NaN;
  return time >= 0 && time <= latest ? time : undefined;
}

function readScopes(claims: JWTPayload, mapping: ClaimMapping): string[] {
  const values = listValues(readClaim(claims, mapping.scopes));
  const table = mapping.scopeTable;
  const granted = table === undefined ? values : values.flatMap((value) => table.get(value) ?? []);
  return [...mapping.defaultScopes, ...granted].filter((scope) => mapping.allowedScopes.has(scope));
}

function listValues(claim: unknown): string[] {
  if (typeof claim === "string") return claim.split(" ");
  return Array.isArray(claim) ? claim.filter((value) => typeof value === "string") : [];
}

function readClaim(claims: JWTPayload, path: ClaimPath): unknown {
  let value: unknown = claims;
  for (const name of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}
