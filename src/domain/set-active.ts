import type { Caller } from "./caller.ts";
import type { Context, StopSignal } from "./context.ts";
import { editToken } from "./edit.ts";
import type { TokenHandle } from "./lookup.ts";
import { edited, type Token } from "./token.ts";

/** Turns a token's switch. Turning it to where it is changes nothing. */
export function setActive(
  context: Context,
  caller: Caller,
  handle: TokenHandle,
  active: boolean,
  signal?: StopSignal,
): Promise<Token> {
  const turn = (token: Token) => (token.active === active ? token : edited(token, { active }));
  return editToken(context, caller, handle, turn, signal);
}
