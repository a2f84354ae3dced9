import { TokenError } from "../errors.ts";
import type { KeyRing } from "./keys.ts";
import type { SecretDigest, Token } from "./token.ts";

/** What a digest is made of: the text of a secret, or what an imported one is known by. */
export interface Evidence {
  /** Empty: made here. */
  readonly source: string;
  readonly material: string;
}

/** What is kept of a secret. */
export function makeDigest(keys: KeyRing, { source, material }: Evidence): SecretDigest {
  const digest = keys.current.digest.of(material);
  return { keyVersion: keys.current.version, digest, source, until: undefined, pendingGrace: undefined };
}

/**
 * The digest of the token that the evidence fits and that counts at `now`. Takes the same work where none fits and with no
 * token at all, so that time does not tell the two apart; each further secret of a token, as in a grace, costs one HMAC more.
 */
export function findDigest(
  keys: KeyRing,
  token: Token | undefined,
  { source, material }: Evidence,
  now: number,
): SecretDigest | undefined {
  let found: SecretDigest | undefined;
  for (const candidate of token?.digests.length ? token.digests : NO_DIGESTS) {
    const { keyVersion, digest, until } = candidate;
    const fits = (keys.byVersion.get(keyVersion) ?? keys.current).digest.is(digest, material);
    if (fits && candidate.source === source && (until === undefined || until > now)) found = candidate;
  }
  return found;
}

/**
 * @throws KEY_MISSING if the token was made with a newer key than this instance has: while keys are being changed, "no" would
 * be a guess. A key that is older than ours and gone was taken away on purpose, and its tokens with it.
 */
export function requireKeys(keys: KeyRing, token: Token | undefined): void {
  if (!token?.digests.some(({ keyVersion }) => keyVersion > keys.newest)) return;
  throw new TokenError("KEY_MISSING", "this instance lacks a service key that others have", { retryDelay: 1000 });
}

const NO_DIGESTS: readonly SecretDigest[] = [
  { keyVersion: 0, digest: new Uint8Array(32), source: "", until: 0, pendingGrace: undefined },
];
