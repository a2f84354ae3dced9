import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { compactVerify, decodeJwt, errors } from "jose";
import { TokenError } from "../errors.ts";
import type { KeyRing } from "./keys.ts";
import { DEFAULT_ISSUER, type Kind } from "./kinds.ts";
import { isId } from "./secret.ts";
import type { Token } from "./token.ts";

/** Longest JWT that anybody reads, in characters: nothing of a longer one is parsed. As long as a `secret` can be in the API. */
const MAX_LENGTH = 8192;
/** Longest JWT that is made: one that fits with any scheme into an `authorization` header that is read. */
const MAX_MADE = 8000;
/** A dot and the 64 bytes of either algorithm. */
const SIGNATURE_LENGTH = 87;

/** Three parts, none of them empty. A JWE has five. */
const COMPACT_JWS = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** The type of an access token (RFC 9068), so that none of ours is taken for a login or anything else. */
const TYPE = "at+jwt";

/** The claims that a kind can't put a text in the place of. */
export const FIXED_CLAIMS: readonly string[] = ["exp", "nbf", "iat", "jti", "scope", "rev"];

/** What in the texts of a `JwtPolicy` stands for something of the token: each name in braces, such as `{tenant}`. */
export const JWT_PLACEHOLDERS = ["id", "tenant", "subject", "kind", "label", "client_id", "creator"] as const;

const PLACEHOLDER = new RegExp(`\\{(${JWT_PLACEHOLDERS.join("|")})\\}`, "g");

/** A token that has no secret yet. */
type Named = Omit<Token, "digests">;

/** Whether the text has the form of a signed JWT, and is short enough to be read. No opaque secret of Latchkey is one. */
export function isJwt(text: string): boolean {
  return text.length <= MAX_LENGTH && COMPACT_JWS.test(text);
}

/**
 * What the signature of a token's JWT covers (`header.payload`), issued at `now`, for the current key. A later revision of the
 * token gives another one, also at the same moment.
 *
 * @throws CLAIMS_INVALID if the JWT would be too long to be used.
 */
export function composeJwt(keys: KeyRing, kind: Kind, token: Named, now: number): string {
  const { algorithm } = kind.jwt;
  const { kid } = keys.current.signing[algorithm];
  const unsigned = `${encode({ alg: algorithm, kid, typ: TYPE })}.${encode(claimsOf(kind, token, now))}`;
  const length = unsigned.length + SIGNATURE_LENGTH;
  if (length <= MAX_MADE) return unsigned;
  const message = `the JWT would have ${length} characters, more than ${MAX_MADE}: give the token fewer claims, scopes or audiences`;
  throw new TokenError("CLAIMS_INVALID", message);
}

/** Signs it with the key that its header names. The same text gives the same JWT, also with ES256 (RFC 6979). */
export function signJwt(keys: KeyRing, unsigned: string): string {
  const key = keys.signing.get(readKid(unsigned));
  if (!key) throw new Error("the signing key is not there");
  return `${unsigned}.${Buffer.from(key.sign(unsigned)).toString("base64url")}`;
}

/**
 * The id (`jti`) in a JWT that was signed here. Undefined: it names none of our keys, so it can't be ours. "SIGNATURE": it names
 * one, and it is not what that key has signed, to the letter. Its expiry is not looked at: the record decides.
 */
export async function verifyJwt(keys: KeyRing, text: string): Promise<string | "SIGNATURE" | undefined> {
  if (!isJwt(text)) return undefined;
  const key = keys.signing.get(readKid(text));
  if (!key) return undefined;
  try {
    const { protectedHeader, payload } = await compactVerify(text, key.publicKey, { algorithms: [key.algorithm] });
    const signature = text.slice(text.lastIndexOf(".") + 1);
    const bytes = Buffer.from(signature, "base64url");
    const isOwn = bytes.toString("base64url") === signature && key.isOwn(bytes);
    if (!isOwn || protectedHeader.typ !== TYPE || protectedHeader.crit !== undefined) return "SIGNATURE";
    return idIn(JSON.parse(Buffer.from(payload).toString()));
  } catch (error) {
    if (error instanceof errors.JOSEError) return "SIGNATURE";
    throw error;
  }
}

/** The id that a JWT says it is of, where it has the form of one. Not verified: good for nothing but a look at the record. */
export function readClaimedId(text: string): string | undefined {
  try {
    return idIn(decodeJwt(text));
  } catch {
    return undefined;
  }
}

function idIn({ jti }: { readonly jti?: unknown }): string | undefined {
  return typeof jti === "string" && isId(jti) ? jti : undefined;
}

/** The key that a JWT says it is signed with; empty if it names none. Good only for choosing who verifies it. */
function readKid(text: string): string {
  try {
    const { kid } = JSON.parse(Buffer.from(text.slice(0, text.indexOf(".")), "base64url").toString());
    return typeof kid === "string" ? kid : "";
  } catch {
    return "";
  }
}

function claimsOf(kind: Kind, token: Named, now: number): JsonObject {
  const issuer = fill(kind.jwt.issuer ?? DEFAULT_ISSUER, token);
  const [audience = issuer, ...others] = token.audiences;
  const own: Record<string, JsonValue | undefined> = {
    iss: issuer,
    sub: token.subject,
    aud: others.length === 0 ? audience : [audience, ...others],
    exp: token.expireTime === undefined ? undefined : toSeconds(token.expireTime),
    nbf: undefined,
    iat: toSeconds(now),
    jti: token.id,
    client_id: token.clientId || token.creator,
    scope: token.scopes.join(" ") || undefined,
    rev: token.revision > 1 ? token.revision : undefined,
  };
  // Each comes in the place of what stands before it: also one that is undefined, and so left out.
  const claims = Object.entries({ ...token.claims, ...own, ...fillClaims(kind, token) });
  return Object.fromEntries(claims.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

/** The claims that the kind adds. A text that comes out empty adds none. */
function fillClaims(kind: Kind, token: Named): JsonObject {
  const filled = Object.entries(kind.jwt.claims).map(([name, text]) => [name, fill(text, token)] as const);
  return Object.fromEntries(filled.filter(([name, text]) => text !== "" && !FIXED_CLAIMS.includes(name)));
}

function fill(text: string, token: Named): string {
  const values = { ...token, client_id: token.clientId };
  return text.replace(PLACEHOLDER, (_, name: (typeof JWT_PLACEHOLDERS)[number]) => values[name]);
}

function toSeconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}

function encode(content: JsonObject): string {
  return Buffer.from(JSON.stringify(content)).toString("base64url");
}
