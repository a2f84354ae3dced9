import { fieldError, TokenError } from "../errors.ts";
import type { Context, StopSignal } from "./context.ts";
import { requireTenant } from "./entitlement.ts";
import { capOf, completeDraft, type Draft, draftOf, refuseInsert } from "./issue.ts";
import type { ExchangeRule, Kind } from "./kinds.ts";
import { type Lifetime, lifetimeField, resolveExpireTime } from "./lifetime.ts";
import { proveSecret } from "./lookup.ts";
import { hintFor, keepSecret, planSecret } from "./mint.ts";
import { type Presented, readPresented } from "./presented.ts";
import { requireUsable, tokenNotFound } from "./refusals.ts";
import { type Attempt, carryOut, type Effect, mintFor } from "./request-id.ts";
import { noteSpentSecret } from "./reuse.ts";
import { normalizeScopes } from "./scopes.ts";
import { tagOf } from "./secret.ts";
import { isPurged, type SecretDigest, statusOf, type Token, used } from "./token.ts";
import { mustWriteUse, settle, takeUse } from "./use.ts";

/** Of N that exchange a token at the same moment, one wins each round. */
const MAX_ROUNDS = 200;

/** What is presented, and what is wanted for it. Empty texts and lists mean: not said. */
export interface ExchangeWish {
  readonly secret: string;
  readonly kind: string;
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
  readonly lifetime: Lifetime;
  readonly clientId: string;
  readonly requestId: string;
}

/** The new token and its secret, for the only time; and the presented token's new one. */
export interface ExchangedToken {
  readonly token: Token;
  readonly secret: string;
  /** Empty unless the kind rotates. */
  readonly parentSecret: string;
}

/** What the presented token is, and what it is exchanged for. */
interface Exchange {
  readonly parent: Token;
  readonly digest: SecretDigest;
  readonly parentKind: Kind;
  readonly rule: ExchangeRule;
  readonly kind: Kind;
}

/**
 * Makes a child of the token whose secret is presented, as that token's kind allows. The secret is all the proof it takes.
 *
 * @throws TOKEN_NOT_FOUND, TOKEN_NOT_ACTIVE, SECRET_SPENT, CLIENT_MISMATCH, EXCHANGE_NOT_ALLOWED, SCOPE_WIDENED,
 * AUDIENCE_WIDENED, LIFETIME_BEYOND_PARENT, and what `resolveExpireTime`, `refuseInsert` and `carryOut` throw
 */
export async function exchangeToken(
  context: Context,
  wish: ExchangeWish,
  signal?: StopSignal,
): Promise<ExchangedToken> {
  const presented = await readPresented(context, wish.secret);
  if (typeof presented === "string") throw tokenNotFound();
  const { requestId, ...content } = wish;
  const tag = tagOf(presented.id);
  const request = { id: requestId, actor: ["Exchange", presented.id], actorTag: tag, tokenTag: tag, content };
  const { token, secrets } = await carryOut(context, request, {
    check: async () => draftChild(await findExchange(context, presented, wish), wish, context.clock()),
    run: (attempt) => insertChild(context, presented, wish, attempt, signal),
  }).catch(async (error: unknown) => {
    // Only now is it certain that the secret was not spent by this very request.
    if (error instanceof TokenError && error.reason === "SECRET_SPENT") await noteSpentSecret(context, presented.id);
    throw error;
  });
  const [secret = "", parentSecret = ""] = secrets;
  return { token, secret, parentSecret };
}

async function insertChild(
  context: Context,
  presented: Presented,
  wish: ExchangeWish,
  attempt: Attempt,
  signal: StopSignal | undefined,
): Promise<Effect | "repeated"> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const exchange = await findExchange(context, presented, wish);
    signal?.throwIfAborted();
    const draft = draftChild(exchange, wish, context.clock());
    const child = completeDraft(context, exchange.kind, draft, attempt);
    const parent = changeParent(context, exchange, attempt);
    const made = [child, ...parent.made];
    const outcome = await context.store.insert(child.token, {
      cap: capOf(exchange.kind),
      // Also a parent that stays as it is must still be what it was when it was judged: not switched off, narrowed or rotated since.
      parent: { previous: exchange.parent, next: parent.next ?? exchange.parent },
      mark: attempt.mark(made.map(({ recipe }) => recipe)),
    });
    if (outcome === "inserted") {
      if (!parent.next) context.lastUse.note(exchange.parent, context.clock());
      return { token: child.token, secrets: made.map(({ secret }) => secret) };
    }
    if (outcome === "repeated") return outcome;
    if (outcome !== "conflict") throw refuseInsert(outcome, exchange.kind);
  }
  throw new TokenError("CONFLICT", "others keep exchanging this token; try again");
}

async function findExchange(context: Context, presented: Presented, wish: ExchangeWish): Promise<Exchange> {
  const parent = await context.store.find(presented.id);
  const digest = proveSecret(context, parent, presented, context.clock());
  const isSpent = !digest && presented.wasMadeHere();
  if (!parent || isPurged(parent, context.clock())) throw tokenNotFound();
  if (!digest) throw isSpent ? secretSpent() : tokenNotFound();
  const parentKind = context.kinds.get(parent.kind);
  const { rule, kind } = chooseRule(context, parentKind, parent, wish.kind);
  if (rule.revokeOnReuse && statusOf(parent, context.clock()) === "EXHAUSTED") throw secretSpent();
  requireTenant(kind, parent.tenant);
  requireUsable(parent, context.clock());
  if (!parent.active) throw new TokenError("TOKEN_NOT_ACTIVE", "the token is inactive");
  if (parent.clientId !== wish.clientId) {
    throw fieldError(
      "CLIENT_MISMATCH",
      "client_id",
      "must be the client that the token is bound to, or unset if it is to none",
    );
  }
  return { parent, digest, parentKind: parentKind as Kind, rule, kind };
}

function secretSpent(): TokenError {
  return new TokenError("SECRET_SPENT", "the secret was used up or replaced");
}

/** @throws EXCHANGE_NOT_ALLOWED */
function chooseRule(
  context: Context,
  parentKind: Kind | undefined,
  parent: Token,
  wanted: string,
): { rule: ExchangeRule; kind: Kind } {
  const rules = parentKind?.exchangesTo ?? [];
  const rule = wanted === "" && rules.length === 1 ? rules[0] : rules.find(({ kind }) => kind === wanted);
  const kind = rule && context.kinds.get(rule.kind);
  if (rule && kind) return { rule, kind };
  const names = rules.map(({ kind }) => kind).join(", ");
  const allowed = names === "" ? "are not exchanged" : `are exchanged for ${names}`;
  throw fieldError("EXCHANGE_NOT_ALLOWED", "kind", `tokens of kind ${parent.kind} ${allowed}`);
}

/** The child, if the parent may have such a one. */
function draftChild({ parent, rule, kind }: Exchange, wish: ExchangeWish, now: number): Draft {
  return draftOf(kind, parent, now, {
    parentId: parent.id,
    label: parent.label,
    scopes: narrow("SCOPE_WIDENED", "scopes", wish.scopes, parent.scopes),
    audiences:
      parent.audiences.length === 0
        ? normalizeScopes(wish.audiences)
        : narrow("AUDIENCE_WIDENED", "audiences", wish.audiences, parent.audiences),
    claims: parent.claims,
    clientId: parent.clientId,
    creator: parent.creator,
    expireTime: boundToParent(parent, rule, wish.lifetime, resolveExpireTime(kind, wish.lifetime, now)),
    active: true,
    usesLeft: kind.defaultUses,
  });
}

/** What is asked for, if the parent has all of it; what the parent has, if nothing is asked for. */
function narrow(
  reason: "SCOPE_WIDENED" | "AUDIENCE_WIDENED",
  field: string,
  wanted: readonly string[],
  own: readonly string[],
): readonly string[] {
  const index = wanted.findIndex((text) => !own.includes(text));
  if (index >= 0) throw fieldError(reason, `${field}[${index}]`, `the token has no ${wanted[index]}`);
  return wanted.length === 0 ? own : normalizeScopes(wanted);
}

/** A child lives no longer than its parent, unless the parent is used up for it: then it takes its place. */
function boundToParent(
  parent: Token,
  rule: ExchangeRule,
  lifetime: Lifetime,
  expireTime: number | undefined,
): number | undefined {
  const end = usesUp(parent, rule) ? undefined : parent.expireTime;
  if (end === undefined || (expireTime !== undefined && expireTime <= end)) return expireTime;
  if (lifetime.type === "default") return end;
  throw fieldError("LIFETIME_BEYOND_PARENT", lifetimeField(lifetime), "the new token can't outlive the presented one");
}

function usesUp({ usesLeft = 1 }: Token, { consume }: ExchangeRule): boolean {
  return consume && usesLeft === 1;
}

/** What becomes of the parent; without `next`, nothing. */
function changeParent(context: Context, { parent, parentKind, rule, digest }: Exchange, attempt: Attempt) {
  const now = context.clock();
  const takesUse = rule.consume || parent.usesLeft !== undefined;
  if (!takesUse && !rule.rotate && !mustWriteUse(parent, digest, now)) return { made: [] };
  const use = takesUse ? takeUse(context, { ...parent, usesLeft: parent.usesLeft ?? 1 }, now) : {};
  const next = used(parent, now, { ...use, digests: settle(parent, digest, now) });
  if (!rule.rotate || next.usesLeft === 0) return { next, made: [] };
  const rotated = { ...next, revision: next.revision + 1, hint: hintFor(parentKind, next.id) };
  const recipe = planSecret(attempt.keys, parentKind, rotated, now);
  const secret = mintFor(attempt, recipe, 1);
  return { next: { ...rotated, digests: [keepSecret(attempt.keys, secret)] }, made: [{ recipe, secret }] };
}
