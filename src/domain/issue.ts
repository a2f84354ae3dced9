import type { JsonObject } from "@bufbuild/protobuf";
import { fieldError, TokenError } from "../errors.ts";
import { type Caller, nameOf, resolveOwner } from "./caller.ts";
import { checkClaims } from "./claims.ts";
import type { Context } from "./context.ts";
import { boundExpireTime, requireAdministrator, requireAudiences, requireKind, requireScopes } from "./entitlement.ts";
import type { Kind } from "./kinds.ts";
import { type Lifetime, purgeTimeOf, resolveExpireTime } from "./lifetime.ts";
import { labelTaken, tokenNotFound } from "./refusals.ts";
import { normalizeScopes } from "./scopes.ts";
import { digestSecret, mintSecret } from "./secret.ts";
import type { Token } from "./token.ts";

/** What a creator asks for. Empty texts mean: not said. */
export interface NewToken {
  readonly tenant: string;
  readonly subject: string;
  readonly kind: string;
  readonly label: string;
  readonly lifetime: Lifetime;
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
  readonly claims: JsonObject | undefined;
  readonly clientId: string;
  readonly inactive: boolean;
  readonly maxUses: number | undefined;
}

/** A token and its secret, for the only time. */
export interface IssuedToken {
  readonly token: Token;
  readonly secret: string;
}

/** Makes a token as its kind allows, with no more than the caller has. Nothing is stored if any rule is broken. */
export async function issueToken(context: Context, caller: Caller, wish: NewToken): Promise<IssuedToken> {
  const kind = requireKind(context.kinds, caller, wish.kind);
  const owner = resolveOwner(caller, wish.tenant, wish.subject);
  requireScopes(caller, wish.scopes);
  requireAudiences(caller, wish.audiences);
  if (wish.claims) requireAdministrator(caller, "claims");
  if (wish.clientId) requireAdministrator(caller, "client_id");
  requireLabel(kind.uniqueLabels, wish.label);
  const now = context.clock();
  const expireTime = boundExpireTime(caller, kind, wish.lifetime, resolveExpireTime(kind, wish.lifetime, now));
  const minted = mintSecret(kind.prefix, context.store.shardTag(owner));
  const token: Token = {
    ...owner,
    version: 1,
    revision: 1,
    id: minted.id,
    kind: kind.name,
    label: wish.label,
    hint: minted.hint,
    scopes: normalizeScopes(wish.scopes),
    audiences: normalizeScopes(wish.audiences),
    claims: checkClaims(wish.claims),
    clientId: wish.clientId,
    parentId: "",
    creator: nameOf(caller),
    createTime: now,
    expireTime,
    purgeTime: purgeTimeOf(kind, expireTime),
    lastUsedTime: undefined,
    active: !wish.inactive,
    usesLeft: resolveUses(kind, wish.maxUses),
    digests: [digestSecret(context.keys, minted.secret)],
    holdsLabel: kind.uniqueLabels,
    holdsPlace: kind.maxPerSubject !== undefined,
  };
  await insert(context, kind, token);
  return { token, secret: minted.secret };
}

/** @throws LABEL_REQUIRED if the label has to be unique and is blank. */
export function requireLabel(unique: boolean, label: string): void {
  if (unique && label.trim() === "")
    throw fieldError("LABEL_REQUIRED", "label", "is required and unique for this kind");
}

function resolveUses(kind: Kind, maxUses: number | undefined): number | undefined {
  if (maxUses === undefined) return kind.defaultUses;
  if (kind.maxUses !== undefined && maxUses > kind.maxUses) {
    throw fieldError("USES_INVALID", "max_uses", `tokens of kind ${kind.name} have ${kind.maxUses} at most`);
  }
  return maxUses;
}

async function insert(context: Context, kind: Kind, token: Token): Promise<void> {
  switch (await context.store.insert(token, kind.maxPerSubject)) {
    case "inserted":
      return;
    case "label-taken":
      throw labelTaken();
    case "cap-reached":
      throw new TokenError(
        "CAP_REACHED",
        `the subject has ${kind.maxPerSubject} live tokens of kind ${kind.name}, the most there may be`,
      );
    case "parent-gone":
      throw tokenNotFound();
  }
}
