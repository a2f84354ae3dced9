import type { JsonObject } from "@bufbuild/protobuf";
import { fieldError, TokenError } from "../errors.ts";
import { type Caller, nameOf, reaches, resolveOwner } from "./caller.ts";
import { checkClaims } from "./claims.ts";
import type { Context } from "./context.ts";
import {
  boundExpireTime,
  requireAdministrator,
  requireAudiences,
  requireKind,
  requireScopes,
  requireSecretOf,
  requireTenant,
} from "./entitlement.ts";
import { findLiveToken } from "./existing.ts";
import type { Kind } from "./kinds.ts";
import { type Lifetime, purgeTimeOf, resolveExpireTime } from "./lifetime.ts";
import { hintFor, keepSecret, planSecret } from "./mint.ts";
import { labelTaken, tokenNotFound } from "./refusals.ts";
import { type Attempt, actorOf, carryOut, type Effect, mintFor } from "./request-id.ts";
import { normalizeScopes } from "./scopes.ts";
import { makeId } from "./secret.ts";
import { endOf, type Owner, type Token } from "./token.ts";

/** How often a subject's only token of a kind may go just when it was to be answered. */
const MAX_ROUNDS = 10;

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
  readonly requestId: string;
}

/** A token and its secret, for the only time. */
export interface IssuedToken {
  readonly token: Token;
  /** Empty if the subject had its one token of the kind already: that one's record is answered. */
  readonly secret: string;
}

/** A token that has neither an id nor a secret yet. */
export type Draft = Omit<Token, "id" | "hint" | "digests">;

/** Makes a token as its kind allows, with no more than the caller has. Nothing is stored if any rule is broken. */
export async function issueToken(context: Context, caller: Caller, wish: NewToken): Promise<IssuedToken> {
  const now = context.clock();
  const kind = requireKind(context.kinds, caller, wish.kind, now);
  const owner = resolveOwner(caller, wish.tenant, wish.subject);
  requireTenant(kind, owner.tenant);
  const { requestId, ...content } = wish;
  const request = {
    id: requestId,
    actor: actorOf("Create", caller),
    actorTag: context.store.shardTag(caller),
    tokenTag: context.store.shardTag(owner),
    content,
  };
  const { token, secrets } = await carryOut(context, request, {
    check: () => draftToken(context, caller, kind, owner, wish),
    run: (attempt) => insertNew(context, kind, draftToken(context, caller, kind, owner, wish), attempt),
  });
  // A repeat may come with a weaker credential of the same caller.
  if (!reaches(caller, token)) throw tokenNotFound();
  const [secret = ""] = secrets;
  if (secret !== "") requireSecretOf(caller, token, kind, "request_id", now);
  return { token, secret };
}

async function insertNew(context: Context, kind: Kind, draft: Draft, attempt: Attempt): Promise<Effect | "repeated"> {
  for (let round = 0; ; round++) {
    const { token, secret, recipe } = completeDraft(context, kind, draft, attempt);
    const outcome = await context.store.insert(token, { cap: capOf(kind), mark: attempt.mark([recipe]) });
    if (outcome === "inserted") return { token, secrets: [secret] };
    if (outcome === "repeated") return outcome;
    if (outcome !== "cap-reached" || !kind.reuse || round === MAX_ROUNDS) throw refuseInsert(outcome, kind);
    const existing = await findLiveToken(context, draft, kind);
    // None: it has just gone, and there is room now.
    if (existing) return { token: existing, secrets: [] };
  }
}

function draftToken(context: Context, caller: Caller, kind: Kind, owner: Owner, wish: NewToken): Draft {
  const now = context.clock();
  requireScopes(caller, wish.scopes);
  requireAudiences(caller, wish.audiences);
  if (wish.claims) requireAdministrator(caller, "claims");
  if (wish.clientId) requireAdministrator(caller, "client_id");
  const expireTime = boundExpireTime(caller, kind, wish.lifetime, resolveExpireTime(kind, wish.lifetime, now));
  return draftOf(kind, owner, now, {
    label: wish.label,
    scopes: normalizeScopes(wish.scopes),
    audiences: normalizeScopes(wish.audiences),
    claims: checkClaims(wish.claims),
    clientId: wish.clientId,
    creator: nameOf(caller),
    expireTime,
    active: !wish.inactive,
    usesLeft: resolveUses(kind, "max_uses", wish.maxUses),
  });
}

/**
 * What is the same for all new tokens of a kind.
 *
 * @throws LABEL_REQUIRED
 */
export function draftOf(
  kind: Kind,
  { tenant, subject }: Owner,
  now: number,
  fields: Pick<
    Token,
    "label" | "scopes" | "audiences" | "claims" | "clientId" | "creator" | "expireTime" | "active" | "usesLeft"
  > & { readonly parentId?: string },
): Draft {
  requireLabel(kind.uniqueLabels, fields.label);
  const draft = {
    parentId: "",
    ...fields,
    tenant,
    subject,
    version: 1,
    revision: 1,
    kind: kind.name,
    createTime: now,
    purgeTime: undefined,
    lastUsedTime: undefined,
    idleTimeout: kind.idleTimeout,
    holdsLabel: kind.uniqueLabels,
    holdsPlace: capOf(kind) !== undefined,
  };
  return { ...draft, purgeTime: purgeTimeOf(kind, endOf(draft)) };
}

/** Gives a draft its id and its secret. */
export function completeDraft(context: Context, kind: Kind, draft: Draft, attempt: Attempt) {
  const id = makeId(context.store.shardTag(draft), attempt.random("id"));
  const named = { ...draft, id, hint: hintFor(kind, id) };
  const recipe = planSecret(attempt.keys, kind, named, draft.createTime);
  const secret = mintFor(attempt, recipe, 0);
  const token: Token = { ...named, digests: [keepSecret(attempt.keys, secret)] };
  return { token, secret, recipe };
}

/** @throws LABEL_REQUIRED if the label has to be unique and is blank. */
export function requireLabel(unique: boolean, label: string): void {
  if (unique && label.trim() === "")
    throw fieldError("LABEL_REQUIRED", "label", "is required and unique for this kind");
}

/** How many live tokens of the kind a subject may have. */
export function capOf(kind: Kind): number | undefined {
  return kind.reuse ? 1 : kind.maxPerSubject;
}

/** The error for an insert that was refused. */
export function refuseInsert(
  outcome: "label-taken" | "cap-reached" | "parent-gone" | "conflict",
  kind: Kind,
): TokenError {
  switch (outcome) {
    case "label-taken":
      return labelTaken();
    case "cap-reached":
      return new TokenError(
        "CAP_REACHED",
        `the subject has ${capOf(kind)} live tokens of kind ${kind.name}, the most there may be`,
      );
    case "parent-gone":
      return tokenNotFound();
    case "conflict":
      return new TokenError("CONFLICT", "others keep changing this token; try again");
  }
}

/**
 * How many uses a new token has, of which `uses` are asked for.
 *
 * @throws USES_INVALID, about `field`
 */
export function resolveUses(kind: Kind, field: string, uses: number | undefined): number | undefined {
  if (uses === undefined) return kind.defaultUses;
  if (kind.maxUses !== undefined && uses > kind.maxUses) {
    throw fieldError("USES_INVALID", field, `tokens of kind ${kind.name} have ${kind.maxUses} at most`);
  }
  return uses;
}
