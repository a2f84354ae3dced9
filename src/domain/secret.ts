import { createHmac, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";
import { encodeBase62, randomBase62 } from "./base62.ts";
import type { DerivedKey, KeyRing } from "./keys.ts";
import type { SecretDigest, Token } from "./token.ts";

// `<prefix>_<id><secret part><checksum>`: the id is public, 3 characters of shard tag and 95 random bits; the secret part
// has 190 random bits; the checksum lets junk and typos be refused without a look into the store.
const ID_RANDOM = 16;
const SECRET_PART = 32;
const CHECKSUM = 6;
const HINT = 8;

const ID = /^[0-9A-Za-z]{19}$/;
const SECRET = /^([a-z][a-z0-9_]*)_([0-9A-Za-z]{19})[0-9A-Za-z]{32}([0-9A-Za-z]{6})$/;

/** A secret that has just been made, and what of it is public. */
export interface MintedSecret {
  readonly id: string;
  /** The only copy. */
  readonly secret: string;
  /** The first characters, for people to tell their tokens apart. */
  readonly hint: string;
}

/** Makes a new secret for a kind's prefix and an owner's shard tag. */
export function mintSecret(prefix: string, shardTag: string): MintedSecret {
  const id = shardTag + randomBase62(ID_RANDOM);
  const body = `${prefix}_${id}${randomBase62(SECRET_PART)}`;
  return { id, secret: body + checksumOf(body), hint: body.slice(0, prefix.length + 1 + HINT) };
}

/** The id inside a secret, or undefined if the text has not the form of a secret or its checksum is wrong. */
export function idOfSecret(secret: string): string | undefined {
  const [, , id, checksum] = SECRET.exec(secret) ?? [];
  return checksum === checksumOf(secret.slice(0, -CHECKSUM)) ? id : undefined;
}

/** Whether the text has the form of an id. */
export function isId(text: string): boolean {
  return ID.test(text);
}

/** What is kept of a secret. */
export function digestSecret(keys: KeyRing, secret: string): SecretDigest {
  return { keyVersion: keys.current.version, digest: hmac(keys.current, secret) };
}

/**
 * Whether the secret is the token's. Takes the same work with the wrong secret as with no token at all, so that time does
 * not tell the two apart.
 */
export function matchesSecret(keys: KeyRing, token: Token | undefined, secret: string): boolean {
  const candidates = token?.digests ?? [];
  let found = false;
  for (const { keyVersion, digest } of candidates.length > 0 ? candidates : [NO_DIGEST]) {
    const computed = hmac(keys.byVersion.get(keyVersion) ?? keys.current, secret);
    if (digest.length === computed.length && timingSafeEqual(digest, computed)) found = true;
  }
  return found && token !== undefined;
}

const NO_DIGEST: SecretDigest = { keyVersion: 0, digest: new Uint8Array(32) };

function hmac(key: DerivedKey, secret: string): Buffer {
  return createHmac("sha256", key.digest).update(secret).digest();
}

function checksumOf(body: string): string {
  return encodeBase62(crc32(body), CHECKSUM);
}
