import { TokenError } from "../errors.ts";
import type { Caller } from "./caller.ts";
import type { Context, StopSignal } from "./context.ts";
import { findToken, type TokenHandle } from "./lookup.ts";
import { labelTaken } from "./refusals.ts";
import type { Token } from "./token.ts";

/** Of N writers at the same moment one wins each round, so this many is far beyond what honest callers reach. */
const MAX_ROUNDS = 200;

/**
 * Replaces a token by what `change` makes of it, and begins again with the newest record where somebody else was faster.
 * `change` answers the same object where there is nothing to do.
 *
 * @throws TOKEN_NOT_FOUND, LABEL_TAKEN, CONFLICT, and whatever `change` throws.
 */
export async function editToken(
  context: Context,
  caller: Caller,
  handle: TokenHandle,
  change: (token: Token) => Token | Promise<Token>,
  signal?: StopSignal,
): Promise<Token> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const token = await findToken(context, caller, handle);
    signal?.throwIfAborted();
    const next = await change(token);
    if (next === token) return token;
    const outcome = await context.store.replace(token, next);
    if (outcome === "replaced") return next;
    if (outcome === "label-taken") throw labelTaken();
  }
  throw new TokenError("CONFLICT", "others keep changing this token; try again");
}
