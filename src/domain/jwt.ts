import type { KeyRing } from "./keys.ts";
import type { Kind } from "./kinds.ts";
import type { Token } from "./token.ts";

/** Three parts, none of them empty. A JWE has five. */
const COMPACT_JWS = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** The claims that a kind can't put a text in the place of. */
export const FIXED_CLAIMS: readonly string[] = ["exp", "nbf", "iat", "jti", "scope", "rev"];

/** What in the texts of a `JwtPolicy` stands for something of the token: each name in braces, such as `{tenant}`. */
export const JWT_PLACEHOLDERS = ["id", "tenant", "subject", "kind", "label", "client_id", "creator"] as const;

/** Whether the text has the form of a signed JWT. No opaque secret of Latchkey does. */
export function isJwt(text: string): boolean {
  return COMPACT_JWS.test(text);
}

/**
 * What the signature of a token's JWT covers (`header.payload`), issued at `now`, for the current key. A later revision of the
 * token gives another one, also at the same moment.
 */
export function composeJwt(_keys: KeyRing, _kind: Kind, _token: Omit<Token, "digests">, _now: number): string {
  throw new Error("jwt");
}

/** Signs it with the key that its header names. The same text gives the same JWT, also with ES256 (RFC 6979). */
export function signJwt(_keys: KeyRing, _unsigned: string): string {
  throw new Error("jwt");
}

/**
 * The id (`jti`) in a JWT that was signed here. Undefined: it names none of our keys, so it can't be ours. "SIGNATURE": it names
 * one, and its signature is wrong. Its expiry is not looked at: the record decides.
 */
export async function verifyJwt(_keys: KeyRing, _text: string): Promise<string | "SIGNATURE" | undefined> {
  return undefined;
}
