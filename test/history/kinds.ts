import type { PlayedKind } from "./game.ts";

/** Those of `test/support/kinds.ts` that play: with and without a bound on uses, exchanged once, at will, and with a new secret each time. */
export const PLAYED_KINDS: readonly PlayedKind[] = [
  { name: "personal", weight: 5, diesOfReuse: false },
  { name: "service", weight: 2, diesOfReuse: false },
  { name: "access", weight: 1, diesOfReuse: false },
  { name: "link", weight: 4, diesOfReuse: false },
  { name: "ticket", weight: 2, diesOfReuse: false },
  { name: "refresh", weight: 3, diesOfReuse: false },
  { name: "rotating", weight: 4, diesOfReuse: false },
  { name: "strict", weight: 2, diesOfReuse: true },
];
