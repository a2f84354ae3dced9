import { createHmac } from "node:crypto";
import { encodeBase62 } from "./base62.ts";
import type { Evidence } from "./digest.ts";
import type { KeyRing } from "./keys.ts";

/** How many characters come from how many bytes of the HMAC, so that the number is one that JavaScript can hold. */
const [CHARACTERS, BYTES] = [8, 6];

/**
 * The names by which a token that was imported for this evidence may be found: one for each service key, the current one's first.
 * They are keyed, so that neither the store nor the public id, which ends in one, lets anyone try out guesses at a weak
 * secret; and they are as long as what of an id is not its shard tag.
 */
export function aliasesOf({ current, byVersion }: KeyRing, { source, material }: Evidence): [string, ...string[]] {
  const name = (key: typeof current) => {
    const hash = createHmac("sha256", key.alias).update(`${source}\0${material}`).digest();
    return shorten(hash, 0) + shorten(hash, BYTES);
  };
  return [name(current), ...[...byVersion.values()].filter((key) => key !== current).map(name)];
}

/** The alias in the id of an imported token. */
export function aliasIn(id: string): string {
  return id.slice(-2 * CHARACTERS);
}

function shorten(hash: Buffer, offset: number): string {
  return encodeBase62(hash.readUIntBE(offset, BYTES) % 62 ** CHARACTERS, CHARACTERS);
}
