import { isLive, type Token } from "../domain/token.ts";
import { TokenError } from "../errors.ts";
import { encodeRecord } from "./record.ts";

/**
 * Whether a replacement needs its label to be free: it has a new one, or takes up the one that it had let go.
 * A dead token that keeps its label does not: someone else may have it by now.
 */
export function takesLabel(previous: Token, next: Token, now: number): boolean {
  return next.holdsLabel && (next.label !== previous.label || isLive(next, now));
}

/**
 * The answer to an insert of an id that is there already.
 *
 * @throws CONFLICT unless it is the very same token, whose first insert was acknowledged to nobody.
 */
export function acceptRepeat(known: Token, token: Token): "inserted" {
  if (encodeRecord(known).equals(encodeRecord(token))) return "inserted";
  throw idTaken();
}

/** The error for what others did not let happen. */
export function contended(): TokenError {
  return new TokenError("STORE_UNAVAILABLE", "others kept changing the same tokens", { retryDelay: 100 });
}

export function aliasTaken(): TokenError {
  return new TokenError("CONFLICT", "another token goes by this name");
}

export function idTaken(): TokenError {
  return new TokenError("CONFLICT", "another token has this id");
}
