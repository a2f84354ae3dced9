import { fieldError, TokenError } from "../errors.ts";
import { isReserved, type Permission, permissionsOf } from "./scopes.ts";
import type { Owner, Token } from "./token.ts";

/** How a caller proved who it is. */
export type Credential = "root" | "token" | "jwt" | "certificate" | "none";

/** Who calls, after authentication: all that authorization and the rules of the domain go by. */
export interface Caller extends Owner {
  readonly credential: Credential;
  /** As granted, without what they imply. */
  readonly scopes: ReadonlySet<string>;
  readonly permissions: ReadonlySet<Permission>;
  /** The tenant that it comes from, where it acts in another one for this call. */
  readonly homeTenant?: string | undefined;
  /** When the user behind a JWT has logged in (`auth_time`), in milliseconds since 1970. */
  readonly authTime?: number | undefined;
  /** The Latchkey token that it calls with. */
  readonly token?: Token | undefined;
}

/** Who calls a method that is open to whoever holds the secret in its request. */
export const anonymous: Caller = {
  credential: "none",
  tenant: "",
  subject: "",
  scopes: new Set(),
  permissions: new Set(),
};

const NAME = /^[^\p{C}\p{Z}]+$/u;

/**
 * @throws CREDENTIALS_INVALID if tenant or subject could not be those of a token (issuers and certificates may name
 * anything): the rules are those of `CreateRequest`.
 */
export function createCaller(caller: Omit<Caller, "scopes" | "permissions"> & { scopes: Iterable<string> }): Caller {
  if (!isTenant(caller.tenant) || !isName(caller.subject, 256)) {
    const cause = "tenant or subject is no name that a token can have";
    throw new TokenError("CREDENTIALS_INVALID", "the credentials are not valid", { cause });
  }
  const scopes = new Set(caller.scopes);
  return { ...caller, scopes, permissions: permissionsOf(scopes) };
}

/** Whether a tenant can have this name. */
export function isTenant(name: string): boolean {
  return isName(name, 128);
}

function isName(text: string, maxBytes: number): boolean {
  return NAME.test(text) && Buffer.byteLength(text) <= maxBytes;
}

/** How a caller is named in the records of the tokens that it creates. */
export function nameOf(caller: Caller): string {
  return caller.credential === "root" ? "root" : `${caller.homeTenant ?? caller.tenant}/${caller.subject}`;
}

/**
 * Whether the caller has the scope itself. Permissions count with what they imply; an administrator has every scope of
 * the services behind Latchkey, because it administers their users' tokens.
 */
export function hasScope(caller: Caller, scope: string): boolean {
  if (isReserved(scope)) return (caller.permissions as ReadonlySet<string>).has(scope);
  return caller.scopes.has(scope) || caller.permissions.has("latchkey:admin");
}

/**
 * Whether the caller may see and touch the token: the root any, an administrator those of its tenant, everyone else only
 * its own, and of these only tokens that may do no more than itself, so that a weak token can't lead to a strong one.
 */
export function reaches(caller: Caller, token: Token): boolean {
  if (caller.permissions.has("latchkey:root")) return true;
  if (token.tenant !== caller.tenant) return false;
  if (!token.scopes.every((scope) => hasScope(caller, scope))) return false;
  return caller.permissions.has("latchkey:admin") || token.subject === caller.subject;
}

/**
 * The owner that a request means: what it names, or else the caller's own tenant and subject.
 *
 * @throws OWNER_BEYOND_CALLER if that is not within the caller's permissions.
 */
export function resolveOwner(caller: Caller, tenant: string, subject: string): Owner {
  const resolved = resolveTenant(caller, tenant);
  if (subject !== "" && subject !== caller.subject && !caller.permissions.has("latchkey:admin")) {
    throw fieldError("OWNER_BEYOND_CALLER", "subject", "another subject than your own needs latchkey:admin");
  }
  return { tenant: resolved, subject: subject || caller.subject };
}

/**
 * The tenant that a request means: what it names, or else the caller's own.
 *
 * @throws OWNER_BEYOND_CALLER if that is not within the caller's permissions.
 */
export function resolveTenant(caller: Caller, tenant: string): string {
  if (tenant !== "" && tenant !== caller.tenant && !caller.permissions.has("latchkey:root")) {
    throw fieldError("OWNER_BEYOND_CALLER", "tenant", "another tenant than your own needs latchkey:root");
  }
  return tenant || caller.tenant;
}
