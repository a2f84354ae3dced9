import { fieldError, TokenError } from "../errors.ts";
import { type Caller, reaches } from "./caller.ts";
import type { Context, StopSignal } from "./context.ts";
import { requireSecretOf } from "./entitlement.ts";
import type { IssuedToken } from "./issue.ts";
import type { Kind } from "./kinds.ts";
import { findToken, type TokenHandle } from "./lookup.ts";
import { hintFor, keepSecret, planSecret } from "./mint.ts";
import { readPresented } from "./presented.ts";
import { labelTaken, requireUsable, tokenNotFound } from "./refusals.ts";
import { type Attempt, actorOf, carryOut, type Effect, mintFor } from "./request-id.ts";
import { tagOf } from "./secret.ts";
import { edited, type SecretDigest, type Token } from "./token.ts";
import { endDigests } from "./use.ts";

/** Of N that rotate a token at the same moment, one wins each round. */
const MAX_ROUNDS = 200;
/** How many old secrets of a token can have a grace at once. */
const MAX_GRACES = 8;

/** Which token gets a new secret, and what becomes of the old one. Durations are milliseconds. */
export interface Rotation {
  readonly handle: TokenHandle;
  readonly grace: number;
  readonly activateOnFirstUse: boolean;
  readonly requestId: string;
}

/**
 * Gives a token a new secret, and leaves all else as it is.
 *
 * @throws TOKEN_NOT_FOUND, TOKEN_NOT_ACTIVE, KIND_UNKNOWN, CONFLICT, and what `requireSecretOf` and `carryOut` throw
 */
export async function rotateToken(
  context: Context,
  caller: Caller,
  rotation: Rotation,
  signal?: StopSignal,
): Promise<IssuedToken> {
  const start = context.clock();
  const { requestId, ...content } = rotation;
  const request = {
    id: requestId,
    actor: actorOf("Rotate", caller),
    actorTag: context.store.shardTag(caller),
    tokenTag: tagOf(await idOf(context, rotation.handle)),
    content,
  };
  const { token, secrets } = await carryOut(context, request, {
    check: () => findRotatable(context, caller, rotation.handle),
    run: (attempt) => replaceSecret(context, caller, rotation, attempt, signal),
  });
  // A repeat may come with a weaker credential of the same caller.
  if (!reaches(caller, token)) throw tokenNotFound();
  // By the time at the start: what was just rotated must be answered.
  requireRotatable(context, caller, rotation.handle, token, start);
  return { token, secret: secrets[0] ?? "" };
}

async function idOf(context: Context, handle: TokenHandle): Promise<string> {
  if ("id" in handle) return handle.id;
  const presented = await readPresented(context, handle.secret);
  if (typeof presented === "string") throw tokenNotFound();
  return presented.id;
}

async function replaceSecret(
  context: Context,
  caller: Caller,
  rotation: Rotation,
  attempt: Attempt,
  signal: StopSignal | undefined,
): Promise<Effect | "repeated"> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { token, kind } = await findRotatable(context, caller, rotation.handle);
    signal?.throwIfAborted();
    const now = context.clock();
    const next = edited(token, { hint: hintFor(kind, token.id) });
    const recipe = planSecret(attempt.keys, kind, next, now);
    const secret = mintFor(attempt, recipe, 0);
    const digests = replaceDigest(token, keepSecret(attempt.keys, secret), rotation, now);
    const rotated = { ...next, digests };
    const outcome = await context.store.replace(token, rotated, attempt.mark([recipe]));
    if (outcome === "replaced") return { token: rotated, secrets: [secret] };
    if (outcome === "repeated") return outcome;
    if (outcome === "label-taken") throw labelTaken();
  }
  throw new TokenError("CONFLICT", "others keep changing this token; try again");
}

async function findRotatable(context: Context, caller: Caller, handle: TokenHandle) {
  const token = await findToken(context, caller, handle);
  requireUsable(token, context.clock());
  return { token, kind: requireRotatable(context, caller, handle, token, context.clock()) };
}

function requireRotatable({ kinds }: Context, caller: Caller, handle: TokenHandle, token: Token, now: number): Kind {
  const kind = kinds.get(token.kind);
  if (!kind) throw fieldError("KIND_UNKNOWN", "id", `kind ${token.kind} is no longer in the kinds table`);
  if ("id" in handle) requireSecretOf(caller, token, kind, "id", now);
  return kind;
}

/** The digests with a new secret. One that was never used is replaced by it. */
function replaceDigest(
  token: Token,
  digest: SecretDigest,
  { grace, activateOnFirstUse }: Rotation,
  now: number,
): SecretDigest[] {
  const inUse = token.digests.filter(({ pendingGrace }) => pendingGrace === undefined);
  if (activateOnFirstUse) return [{ ...digest, pendingGrace: grace }, ...inUse].slice(0, MAX_GRACES + 1);
  return [digest, ...endDigests(inUse, now + grace, now).slice(0, MAX_GRACES)];
}
