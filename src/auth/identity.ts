import type { Owner } from "../domain/token.ts";

/** Whom foreign proof (a JWT, a certificate) stands for, and what it may do. */
export interface Identity extends Owner {
  readonly scopes: readonly string[];
  /** When the user has logged in, in milliseconds since 1970. Undefined: the proof does not say. */
  readonly authTime?: number | undefined;
}
