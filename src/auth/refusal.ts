import { TokenError } from "../errors.ts";

/**
 * The one answer to credentials that are not good. It is the same for all of them, so that nobody learns from it what
 * exists. `why` is for the log only: fixed words, never a part of what was presented.
 */
export function refusal(why: string): TokenError {
  return new TokenError("CREDENTIALS_INVALID", "the credentials are not valid", { cause: why });
}
