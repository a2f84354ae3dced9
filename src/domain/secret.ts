import { timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";
import { encodeBase62, isBase62, type RandomText } from "./base62.ts";
import type { DerivedKey, KeyRing } from "./keys.ts";

// `<prefix>_<id><random part><proof><checksum>`: the id is public, 3 characters of shard tag and 95 random bits; the random part
// has 190 bits; the proof tells, under a service key, that the secret was made here, also after it was replaced; the
// checksum lets junk and typos be refused without a look into the store. Secrets of the first installations have no proof: they
// are good, but once replaced they are told from made-up ones no more.
const TAG = 3;
const ID_RANDOM = 16;
const SECRET_RANDOM = 32;
const PROOF = 8;
const CHECKSUM = 6;
const HINT = 8;

/** What stands behind the prefix, with and without a proof. */
const LENGTHS = [TAG + ID_RANDOM + SECRET_RANDOM + PROOF + CHECKSUM, TAG + ID_RANDOM + SECRET_RANDOM + CHECKSUM];

const ID = /^[0-9A-Za-z]{19}$/;
const PREFIX = /^[a-z][a-z0-9_]*_$/;

/** A new id for a token of the owner whose shard tag it is. */
export function makeId(shardTag: string, random: RandomText): string {
  return shardTag + random(ID_RANDOM);
}

/** The shard tag that an id begins with. */
export function tagOf(id: string): string {
  return id.slice(0, TAG);
}

/** Whether the text has the form of an id. */
export function isId(text: string): boolean {
  return ID.test(text);
}

/** A new opaque secret for the token. The answer is the only copy. */
export function makeSecret(keys: KeyRing, prefix: string, id: string, random: RandomText): string {
  const body = `${prefix}_${id}${random(SECRET_RANDOM)}`;
  const proven = body + proofOf(keys.current, body);
  return proven + checksumOf(proven);
}

/** The first characters of the opaque secrets of a token, for people to tell their tokens apart. */
export function hintOf(prefix: string, id: string): string {
  return `${prefix}_${id.slice(0, HINT)}`;
}

/** The id inside an opaque secret, or undefined if the text has not the form of one or its checksum is wrong. */
export function idOfSecret(secret: string): string | undefined {
  const start = secret.lastIndexOf("_") + 1;
  if (!LENGTHS.includes(secret.length - start) || !isBase62(secret, start)) return undefined;
  if (!PREFIX.test(secret.slice(0, start))) return undefined;
  if (!secret.endsWith(checksumOf(secret.slice(0, -CHECKSUM)))) return undefined;
  return secret.slice(start, start + TAG + ID_RANDOM);
}

/** Whether an opaque secret was made here with one of the keys: whoever makes one up hits the proof once in 2^47 times. */
export function wasMadeHere(keys: KeyRing, secret: string): boolean {
  const body = secret.slice(0, -(PROOF + CHECKSUM));
  const proof = secret.slice(-(PROOF + CHECKSUM), -CHECKSUM);
  let wasMade = false;
  for (const key of keys.byVersion.values()) if (isSame(proofOf(key, body), proof)) wasMade = true;
  return wasMade;
}

/** Time tells nothing of where they differ. */
function isSame(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

function proofOf(key: DerivedKey, body: string): string {
  const bits = key.proof.of(body).readUIntBE(0, 6);
  return encodeBase62(bits % 62 ** PROOF, PROOF);
}

function checksumOf(body: string): string {
  return encodeBase62(crc32(body), CHECKSUM);
}
