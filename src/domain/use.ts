import type { Context } from "./context.ts";
import { type SecretDigest, type Token, used } from "./token.ts";

/**
 * Takes note that the token was used by the secret of this digest: a limited use is counted and a pending secret takes effect at
 * once, all else is only noted.
 *
 * @returns the token after it; undefined if somebody else changed it meanwhile: nothing is done then.
 */
export async function useToken(context: Context, token: Token, digest: SecretDigest): Promise<Token | undefined> {
  if (token.usesLeft === undefined && digest.pendingGrace === undefined) {
    context.lastUse.note(token);
    return token;
  }
  const now = context.clock();
  const next = used(token, now, { ...takeUse(context, token, now), digests: settle(token, digest, now) });
  return (await context.store.replace(token, next)) === "replaced" ? next : undefined;
}

/** One use less. A permanent token that is used up would be listed for ever, so its retention begins with its last use. */
export function takeUse(context: Context, token: Token, now: number): Partial<Token> {
  if (token.usesLeft === undefined) return {};
  const usesLeft = token.usesLeft - 1;
  if (usesLeft > 0) return { usesLeft };
  const retention = context.kinds.get(token.kind)?.retention ?? 0;
  return { usesLeft, purgeTime: Math.min(token.purgeTime ?? Number.POSITIVE_INFINITY, now + retention) };
}

/** The digests after the use of one: if it was pending, it takes effect, and the grace of the others begins. */
export function settle(token: Token, digest: SecretDigest, now: number): readonly SecretDigest[] {
  const { pendingGrace } = digest;
  if (pendingGrace === undefined) return token.digests;
  const others = token.digests.filter((other) => other !== digest);
  return [{ ...digest, pendingGrace: undefined }, ...endDigests(others, now + pendingGrace, now)];
}

/** Lets digests end at a time, unless they do before. Those that have ended go. */
export function endDigests(digests: readonly SecretDigest[], time: number, now: number): SecretDigest[] {
  return digests
    .map((digest) => ({ ...digest, until: Math.min(digest.until ?? Number.POSITIVE_INFINITY, time) }))
    .filter(({ until }) => until > now);
}
