import type { Cores } from "./cores.ts";
import type { Load } from "./load.ts";

/** What all measurements work with. */
export interface Machine {
  readonly cores: Cores;
  readonly load: Load;
  /** For keys and logs; goes at the end. */
  readonly folder: string;
  /** Tells whoever waits how far it is. */
  say(text: string): void;
}
