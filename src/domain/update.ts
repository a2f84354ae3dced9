import type { JsonObject } from "@bufbuild/protobuf";
import { fieldError, TokenError } from "../errors.ts";
import { aliasIn } from "./alias.ts";
import type { Caller } from "./caller.ts";
import { checkClaims } from "./claims.ts";
import type { Context, StopSignal } from "./context.ts";
import { editToken } from "./edit.ts";
import { requireAdministrator } from "./entitlement.ts";
import { requireLabel } from "./issue.ts";
import { checkExpireTime, purgeTimeOf, requirePermanent } from "./lifetime.ts";
import type { TokenHandle } from "./lookup.ts";
import { normalizeScopes } from "./scopes.ts";
import { edited, endOf, statusOf, type Token } from "./token.ts";

/** What to change; what is absent stays. */
export interface TokenChanges {
  readonly label?: string;
  /** Undefined: permanent. */
  readonly expireTime?: number | undefined;
  readonly scopes?: readonly string[];
  readonly claims?: JsonObject | undefined;
}

/**
 * Changes a token, if `etag` is empty or still the token's.
 *
 * @throws FIELD_NOT_ALLOWED, ETAG_MISMATCH, SCOPE_WIDENED, LABEL_REQUIRED, CLAIMS_INVALID, LIFETIME_BEYOND_PARENT, what
 * `editToken` and `checkExpireTime` throw
 */
export async function updateToken(
  context: Context,
  caller: Caller,
  handle: TokenHandle,
  changes: TokenChanges,
  etag: string,
  signal?: StopSignal,
): Promise<Token> {
  if ("expireTime" in changes) requireAdministrator(caller, "expire_time");
  if ("claims" in changes) requireAdministrator(caller, "claims");
  const change = async (token: Token) => {
    if (etag !== "" && etag !== etagOf(token)) throw new TokenError("ETAG_MISMATCH", "the token has changed since");
    if ("expireTime" in changes) await requireWithinParent(context, token, changes.expireTime);
    return edited(token, {
      ...("label" in changes && relabel(token, changes.label ?? "")),
      ...("expireTime" in changes && moveExpiry(context, token, changes.expireTime)),
      ...("scopes" in changes && { scopes: narrowScopes(token, changes.scopes ?? []) }),
      ...("claims" in changes && { claims: checkClaims(changes.claims) }),
    });
  };
  const token = await editToken(context, caller, handle, change, signal);
  if ("expireTime" in changes) await keepAlias(context, token);
  return token;
}

/**
 * What an imported token is found by lives as long as its record can, however it is used. Whoever is not told that this was done
 * repeats the call.
 */
async function keepAlias({ store, kinds }: Context, { id, kind, digests, expireTime }: Token): Promise<void> {
  const isImported = digests.some(({ source }) => source !== "");
  if (isImported) await store.addAlias(aliasIn(id), id, purgeTimeOf(kinds.get(kind), expireTime));
}

/** A parent that is used up, or gone since, has left its place to the token. */
async function requireWithinParent({ store }: Context, token: Token, expireTime: number | undefined): Promise<void> {
  const parent = token.parentId === "" ? undefined : await store.find(token.parentId);
  const end = parent?.usesLeft === 0 ? undefined : parent?.expireTime;
  if (end === undefined || (expireTime !== undefined && expireTime <= end)) return;
  const why = "the token can't outlive the one that it was exchanged from";
  throw fieldError("LIFETIME_BEYOND_PARENT", "expire_time", why);
}

/** What callers see of a token's revision. */
export function etagOf(token: Token): string {
  return String(token.revision);
}

function relabel(token: Token, label: string): Partial<Token> {
  requireLabel(token.holdsLabel, label);
  return { label };
}

function moveExpiry(context: Context, token: Token, expireTime: number | undefined): Partial<Token> {
  const now = context.clock();
  const kind = context.kinds.get(token.kind);
  if (!kind) throw fieldError("KIND_UNKNOWN", "expire_time", `kind ${token.kind} is no longer in the kinds table`);
  const status = statusOf(token, now);
  if (status === "EXPIRED" || status === "EXHAUSTED") {
    throw fieldError("LIFETIME_INVALID", "expire_time", `the token is ${status.toLowerCase()}; make a new one`);
  }
  if (expireTime === undefined) requirePermanent(kind, "expire_time");
  const moved = expireTime === undefined ? undefined : checkExpireTime(kind, "expire_time", expireTime, now);
  return { expireTime: moved, purgeTime: purgeTimeOf(kind, endOf({ ...token, expireTime: moved })) };
}

function narrowScopes(token: Token, scopes: readonly string[]): string[] {
  for (const [index, scope] of scopes.entries()) {
    if (!token.scopes.includes(scope))
      throw fieldError("SCOPE_WIDENED", `scopes[${index}]`, `the token has no ${scope}`);
  }
  return normalizeScopes(scopes);
}
