import type { PlayedKind } from "./game.ts";

/** Kinds of all sorts: with and without a bound on uses, exchanged once, at will, and with a new secret each time. */
export const KINDS: readonly PlayedKind[] = [
  { name: "personal", weight: 3, diesOfReuse: false },
  { name: "service", weight: 1, diesOfReuse: false },
  { name: "session", weight: 1, diesOfReuse: false },
  { name: "link", weight: 4, diesOfReuse: false },
];
