import type { RandomText } from "./base62.ts";
import { makeDigest } from "./digest.ts";
import { composeJwt, signJwt } from "./jwt.ts";
import type { KeyRing } from "./keys.ts";
import type { Kind } from "./kinds.ts";
import { hintOf, makeSecret } from "./secret.ts";
import type { SecretDigest, Token } from "./token.ts";

/** All that a secret of a token is made of, but for what makes it a secret: keys and randomness. */
export type Recipe = { readonly id: string } & (
  | { readonly prefix: string }
  /** What of a JWT its signature covers. */
  | { readonly unsigned: string }
);

/** How to make a secret for the token, in the format of its kind. A JWT says that it was issued at `now`. */
export function planSecret(keys: KeyRing, kind: Kind, token: Omit<Token, "digests">, now: number): Recipe {
  const { id } = token;
  return kind.format === "jwt" ? { id, unsigned: composeJwt(keys, kind, token, now) } : { id, prefix: kind.prefix };
}

/** Makes the secret. With the same keys and the same randomness, the same one. The answer is the only copy. */
export function mintSecret(keys: KeyRing, recipe: Recipe, random: RandomText): string {
  return "unsigned" in recipe ? signJwt(keys, recipe.unsigned) : makeSecret(keys, recipe.prefix, recipe.id, random);
}

/** What is kept of a secret that was made here. */
export function keepSecret(keys: KeyRing, secret: string): SecretDigest {
  return makeDigest(keys, { source: "", material: secret });
}

/** What people see of a token's secrets. All JWTs begin alike, so for them it is the beginning of the id. */
export function hintFor(kind: Kind, id: string): string {
  return kind.format === "jwt" ? id.slice(0, 8) : hintOf(kind.prefix, id);
}
