import { type Caller, reaches } from "./caller.ts";
import type { Context } from "./context.ts";
import { findDigest, requireKeys } from "./digest.ts";
import { type Presented, readPresented } from "./presented.ts";
import { tokenNotFound } from "./refusals.ts";
import { isId } from "./secret.ts";
import { isPurged, type SecretDigest, type Token } from "./token.ts";

/** How a request names a token. */
export type TokenHandle = { readonly id: string } | { readonly secret: string };

/**
 * The token that the caller means, whatever its status.
 *
 * @throws TOKEN_NOT_FOUND if there is none in the caller's reach.
 */
export async function findToken(context: Context, caller: Caller, handle: TokenHandle): Promise<Token> {
  const token =
    "id" in handle ? await findById(context, handle.id) : (await findBySecret(context, handle.secret))?.token;
  if (!token || !reaches(caller, token)) throw tokenNotFound();
  return token;
}

/** A token, and the digest by which a secret is its own. */
export interface ProvenToken {
  readonly token: Token;
  readonly digest: SecretDigest;
}

/** The token that a secret belongs to, whatever its status; undefined if the secret is nobody's. */
export async function findBySecret(context: Context, secret: string): Promise<ProvenToken | undefined> {
  const presented = await readPresented(context, secret);
  if (typeof presented === "string") return undefined;
  const token = await context.store.find(presented.id);
  const digest = proveSecret(context, token, presented, context.clock());
  return token && digest ? { token, digest } : undefined;
}

/**
 * The digest by which a presented secret is the token's at `now`. Undefined: it is not, or not any more, or the token is past its retention.
 *
 * @throws KEY_MISSING, as `requireKeys`
 */
export function proveSecret(
  context: Context,
  token: Token | undefined,
  presented: Presented,
  now: number,
): SecretDigest | undefined {
  requireKeys(context.keys, token);
  const digest = findDigest(context.keys, token, presented, now);
  return token !== undefined && !isPurged(token, now) ? digest : undefined;
}

async function findById(context: Context, id: string): Promise<Token | undefined> {
  if (!isId(id)) return undefined;
  const token = await context.store.find(id);
  return token && !isPurged(token, context.clock()) ? token : undefined;
}
