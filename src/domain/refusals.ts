import { fieldError, TokenError } from "../errors.ts";
import { statusOf, type Token } from "./token.ts";

/** For an insert or edit that a live token of the same label stands in the way of. */
export function labelTaken(): TokenError {
  return fieldError("LABEL_TAKEN", "label", "another live token of this subject and kind has it");
}

/** @throws TOKEN_NOT_ACTIVE for a token that can't come back. */
export function requireUsable(token: Token, now: number): void {
  const status = statusOf(token, now);
  if (status === "EXPIRED" || status === "EXHAUSTED") {
    throw new TokenError("TOKEN_NOT_ACTIVE", `the token is ${status.toLowerCase()}`);
  }
}

/** The one answer for what is not there and for what is none of the caller's business. */
export function tokenNotFound(): TokenError {
  return new TokenError("TOKEN_NOT_FOUND", "no such token");
}
