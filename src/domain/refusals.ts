import { fieldError, TokenError } from "../errors.ts";

/** For an insert or edit that a live token of the same label stands in the way of. */
export function labelTaken(): TokenError {
  return fieldError("LABEL_TAKEN", "label", "another live token of this subject and kind has it");
}

/** The one answer for what is not there and for what is none of the caller's business. */
export function tokenNotFound(): TokenError {
  return new TokenError("TOKEN_NOT_FOUND", "no such token");
}
