import { TokenError } from "../errors.ts";
import { type Caller, reaches } from "./caller.ts";
import type { Context } from "./context.ts";
import { tokenNotFound } from "./refusals.ts";
import { idOfSecret, isId, matchesSecret } from "./secret.ts";
import { isPurged, type Token } from "./token.ts";

/** How a request names a token. */
export type TokenHandle = { readonly id: string } | { readonly secret: string };

/**
 * The token that the caller means, whatever its status.
 *
 * @throws TOKEN_NOT_FOUND if there is none in the caller's reach.
 */
export async function findToken(context: Context, caller: Caller, handle: TokenHandle): Promise<Token> {
  const token = "id" in handle ? await findById(context, handle.id) : await findBySecret(context, handle.secret);
  if (!token || !reaches(caller, token)) throw tokenNotFound();
  return token;
}

/** The token that a secret belongs to, whatever its status; undefined if the secret is nobody's. */
export async function findBySecret(context: Context, secret: string): Promise<Token | undefined> {
  const id = idOfSecret(secret);
  if (id === undefined) return undefined;
  const token = await context.store.find(id);
  return belongsTo(context, token, secret) ? token : undefined;
}

/**
 * Whether the secret is that of the token, and the token is not past its retention.
 *
 * @throws KEY_MISSING if the token was made with a newer key than this instance has: while keys are being changed, "no" would
 * be a guess. A key that is older than ours and gone was taken away on purpose, and its tokens with it.
 */
export function belongsTo(context: Context, token: Token | undefined, secret: string): token is Token {
  if (token?.digests.some(({ keyVersion }) => keyVersion > context.keys.newest)) {
    throw new TokenError("KEY_MISSING", "this instance lacks a service key that others have", { retryDelay: 1000 });
  }
  return matchesSecret(context.keys, token, secret) && token !== undefined && !isPurged(token, context.clock());
}

async function findById(context: Context, id: string): Promise<Token | undefined> {
  if (!isId(id)) return undefined;
  const token = await context.store.find(id);
  return token && !isPurged(token, context.clock()) ? token : undefined;
}
