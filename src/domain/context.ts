import type { TokenStore } from "../store/token-store.ts";
import type { Clock } from "./clock.ts";
import type { KeyRing } from "./keys.ts";
import type { Kinds } from "./kinds.ts";
import type { LastUse } from "./last-use.ts";

/** What the rules of the domain work with. Made once, at the start. */
export interface Context {
  readonly store: TokenStore;
  readonly kinds: Kinds;
  readonly keys: KeyRing;
  readonly clock: Clock;
  readonly lastUse: LastUse;
}
