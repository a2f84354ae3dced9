import { createHmac, createSecretKey } from "node:crypto";
import { encodeBase62 } from "../domain/base62.ts";
import type { Owner } from "../domain/token.ts";

const SHARDS = 4096;
const TAG_LENGTH = 3;
/** All tags, in their order. */
export const SHARD_TAGS: readonly string[] = Array.from({ length: SHARDS }, (_, shard) =>
  encodeBase62(shard, TAG_LENGTH),
);

/** How long a store's shard key is, in bytes. */
export const SHARD_KEY_LENGTH = 32;

/**
 * The function behind `TokenStore.shardTag`: a keyed hash, so that nobody outside can aim at one shard. The lengths in
 * front keep `a` + `bc` apart from `ab` + `c`.
 */
export function shardTagger(key: Uint8Array): (owner: Owner) => string {
  const secret = createSecretKey(key);
  return ({ tenant, subject }) => {
    const text = `${tenant.length}:${tenant}${subject.length}:${subject}`;
    const hash = createHmac("sha256", secret).update(text).digest();
    return SHARD_TAGS[hash.readUInt32BE() % SHARDS] as string;
  };
}

/** The shard tag that an id begins with. */
export function tagIn(id: string): string {
  return id.slice(0, TAG_LENGTH);
}

/** What of an id is not its shard tag. */
export function restOf(id: string): string {
  return id.slice(TAG_LENGTH);
}
