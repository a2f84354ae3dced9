import type { TokenStore } from "../store/token-store.ts";
import type { Clock } from "./clock.ts";
import type { TokenEvent } from "./events.ts";
import type { KeyRing } from "./keys.ts";
import type { Kinds } from "./kinds.ts";
import type { LastUse } from "./last-use.ts";

/** Says, between steps, that nobody waits for the answer any more. An AbortSignal is one. */
export interface StopSignal {
  /** @throws the reason, once there is one. */
  throwIfAborted(): void;
}

/** What the rules of the domain work with. Made once, at the start. */
export interface Context {
  readonly store: TokenStore;
  readonly kinds: Kinds;
  /** Read it anew in every call: it changes when the operator has the keys file read again. */
  readonly keys: KeyRing;
  readonly clock: Clock;
  readonly lastUse: LastUse;
  /** Tells the operator what somebody should look at. */
  report(event: TokenEvent): void;
}
