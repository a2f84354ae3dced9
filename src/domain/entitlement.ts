import { fieldError, TokenError } from "../errors.ts";
import { type Caller, hasScope } from "./caller.ts";
import type { Kind, Kinds } from "./kinds.ts";
import { type Lifetime, lifetimeField } from "./lifetime.ts";
import type { Token } from "./token.ts";

// What a caller may ask for in a new token or a new secret: never more than it has itself. Administrators are bound by the kind
// alone.

/** @throws KIND_UNKNOWN, KIND_NOT_ALLOWED, LOGIN_TOO_OLD */
export function requireKind(kinds: Kinds, caller: Caller, name: string, now: number): Kind {
  const kind = kinds.get(name);
  if (!kind) throw fieldError("KIND_UNKNOWN", "kind", `none of ${[...kinds.keys()].join(", ")}`);
  requireCreator(kind, caller, "kind", now);
  return kind;
}

function requireCreator({ name, creators, freshLogin }: Kind, caller: Caller, field: string, now: number): void {
  if (administers(caller)) return;
  if (!creators.includes(caller.credential)) {
    const why = `tokens of kind ${name} are made by administrators or other credentials`;
    throw fieldError("KIND_NOT_ALLOWED", field, why);
  }
  if (freshLogin !== undefined) requireFreshLogin(caller, freshLogin, now);
}

/**
 * Whoever is told a secret of a token that is there, by rotating it or by the request id that it was made with, has as much from
 * then on as by making such a token. The one that it calls with is its own already.
 *
 * @param field the one that chose the token.
 * @throws KIND_NOT_ALLOWED, LOGIN_TOO_OLD, AUDIENCE_BEYOND_CALLER, LIFETIME_BEYOND_CALLER, FIELD_NOT_ALLOWED; about `field`
 */
export function requireSecretOf(
  caller: Caller,
  token: Token,
  kind: Kind,
  field: "id" | "request_id",
  now: number,
): void {
  if (administers(caller) || caller.token?.id === token.id) return;
  requireCreator(kind, caller, field, now);
  requireAudiences(caller, token.audiences, field);
  if (!isWithin(lastEndFor(caller, kind), token.expireTime)) throw outlivesCaller(field);
  if (token.claims !== undefined || token.clientId !== "") {
    const why = "the token has claims or a client, which only administrators may give";
    throw fieldError("FIELD_NOT_ALLOWED", field, why);
  }
}

/**
 * Binds administrators too: which kinds a tenant has is for the operator to say.
 *
 * @throws KIND_NOT_ALLOWED
 */
export function requireTenant({ name, tenants }: Kind, tenant: string): void {
  if (tenants === undefined || tenants.includes(tenant)) return;
  throw fieldError("KIND_NOT_ALLOWED", "kind", `there are no tokens of kind ${name} in this tenant`);
}

/** Only an issuer's JWT tells when its user has logged in; all other credentials may be older than anybody knows. */
function requireFreshLogin({ authTime }: Caller, longest: number, now: number): void {
  if (authTime !== undefined && now - authTime <= longest) return;
  throw new TokenError(
    "LOGIN_TOO_OLD",
    "tokens of this kind need a fresh login: log in again, and call with the new JWT",
  );
}

/** @throws SCOPE_BEYOND_CALLER */
export function requireScopes(caller: Caller, scopes: readonly string[]): void {
  for (const [index, scope] of scopes.entries()) {
    if (!hasScope(caller, scope)) {
      throw fieldError("SCOPE_BEYOND_CALLER", `scopes[${index}]`, `you can't grant ${scope}, for you don't have it`);
    }
  }
}

/**
 * A token that is bound to audiences makes only tokens that are bound to the same or fewer.
 *
 * @throws AUDIENCE_BEYOND_CALLER
 */
export function requireAudiences(caller: Caller, audiences: readonly string[], field = "audiences"): void {
  const own = caller.token?.audiences ?? [];
  if (administers(caller) || own.length === 0) return;
  if (audiences.length === 0 || !audiences.every((audience) => own.includes(audience))) {
    throw fieldError("AUDIENCE_BEYOND_CALLER", field, `must be among your own token's: ${own.join(", ")}`);
  }
}

/**
 * A token makes no token of its own kind that outlives it: it could renew itself for ever. What other kinds it may make,
 * and how long these live, is for the kinds to say: that a session makes a personal token is the rule, not the exception.
 *
 * @returns the expiry, cut to the caller's where none was asked for
 * @throws LIFETIME_BEYOND_CALLER
 */
export function boundExpireTime(
  caller: Caller,
  kind: Kind,
  lifetime: Lifetime,
  expireTime: number | undefined,
): number | undefined {
  const end = lastEndFor(caller, kind);
  if (isWithin(end, expireTime)) return expireTime;
  if (lifetime.type === "default") return end;
  throw outlivesCaller(lifetimeField(lifetime));
}

/** When the tokens of a kind end at last that the caller may get. Undefined: whenever the kind says. */
function lastEndFor(caller: Caller, kind: Kind): number | undefined {
  return caller.token?.kind === kind.name && !administers(caller) ? caller.token.expireTime : undefined;
}

function isWithin(end: number | undefined, expireTime: number | undefined): boolean {
  return end === undefined || (expireTime !== undefined && expireTime <= end);
}

function outlivesCaller(field: string): TokenError {
  return fieldError("LIFETIME_BEYOND_CALLER", field, "tokens of your own token's kind can't outlive it");
}

/**
 * For what is not a subject's own to set: claims and client, because services may decide by them, and a new expiry.
 *
 * @throws FIELD_NOT_ALLOWED
 */
export function requireAdministrator(caller: Caller, field: string): void {
  if (!administers(caller)) throw fieldError("FIELD_NOT_ALLOWED", field, "only administrators may set it");
}

function administers(caller: Caller): boolean {
  return caller.permissions.has("latchkey:admin");
}
