import type { Context } from "./context.ts";
import { idleEndOf, type SecretDigest, type Token, used } from "./token.ts";

/** How close to its end for want of use a token has its next use written at once: noted, it could come too late. */
const CLOSE = 60_000;

/**
 * Takes note that the token was used by the secret of this digest: a limited use is counted, a pending secret takes effect and a
 * token that is about to end for want of use goes on, all at once; all else is only noted.
 *
 * @returns the token after it, at once where nothing had to be written; undefined if somebody else changed it meanwhile: nothing
 * is done then.
 */
export function useToken(context: Context, token: Token, digest: SecretDigest): Token | Promise<Token | undefined> {
  const now = context.clock();
  if (mustWriteUse(token, digest, now)) return writeUse(context, token, digest, now);
  context.lastUse.note(token);
  return token;
}

async function writeUse(context: Context, token: Token, digest: SecretDigest, now: number): Promise<Token | undefined> {
  const next = used(token, now, { ...takeUse(context, token, now), digests: settle(token, digest, now) });
  return (await context.store.replace(token, next)) === "replaced" ? next : undefined;
}

/** Whether a use by the secret of this digest has to be written before it counts. */
export function mustWriteUse(token: Token, digest: SecretDigest, now: number): boolean {
  if (token.usesLeft !== undefined || digest.pendingGrace !== undefined) return true;
  return now > (idleEndOf(token) ?? Number.POSITIVE_INFINITY) - CLOSE;
}

/**
 * One use less. A permanent token that is used up would be listed for ever, so its retention begins with its last use; but through a
 * token that came of an exchange its own children are found, so it stays.
 */
export function takeUse(context: Context, token: Token, now: number): Partial<Token> {
  if (token.usesLeft === undefined) return {};
  const usesLeft = token.usesLeft - 1;
  if (usesLeft > 0 || token.parentId !== "") return { usesLeft };
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
