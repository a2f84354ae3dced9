import { expect } from "vitest";
import type { Place } from "./fleet.ts";

const REFUSED = "Unauthenticated CREDENTIALS_INVALID";
/** After which a caller that is still let in is let in for good, in milliseconds. */
const PATIENCE = 5000;

/** What became of a caller whose token was taken back, in milliseconds after the answer to that. */
export interface Refusal {
  readonly isSameService: boolean;
  /** When the last call began that was let in; 0 if none began later than the answer. */
  readonly letIn: number;
  /** When the first refusal had come; 0 if it was faster than the answer. */
  readonly refused: number;
}

interface Watched {
  lastGood: number;
  good: number;
  refused: number;
}

/**
 * Has the owner of a secret call at each place all the time while the token is taken back.
 *
 * @param endured what it may be answered in between, beside being let in or refused.
 */
export async function measureRefusals(
  places: readonly Place[],
  secret: string,
  takeBack: () => Promise<unknown>,
  endured?: string,
): Promise<Refusal[]> {
  const over = new AbortController();
  const callers = places.map((place) => watchPlace(place, secret, over.signal, endured));
  const failed = Promise.race(callers.map(({ done }) => done)).then(() => new Promise<never>(() => {}));
  let answered = 0;
  try {
    await Promise.race([
      failed,
      expect.poll(() => callers.every(({ seen }) => seen.good > 2), { interval: 1 }).toBe(true),
    ]);
    await takeBack();
    answered = performance.now();
    const timer = setTimeout(() => over.abort(), PATIENCE);
    await Promise.all(callers.map(({ done }) => done)).finally(() => clearTimeout(timer));
  } finally {
    over.abort();
  }
  return callers.map(({ seen }, index) => ({
    isSameService: places[index]?.isSameService ?? false,
    letIn: Math.max(0, seen.lastGood - answered),
    refused: Math.max(0, seen.refused - answered),
  }));
}

function watchPlace({ callWith }: Place, secret: string, signal: AbortSignal, endured: string | undefined) {
  const seen: Watched = { lastGood: 0, good: 0, refused: 0 };
  const call = async () => {
    while (!signal.aborted) {
      const began = performance.now();
      const outcome = await callWith(secret);
      if (outcome === REFUSED) {
        seen.refused = performance.now();
        return;
      }
      if (outcome === endured) continue;
      expect(outcome).toBe("ok");
      seen.lastGood = began;
      seen.good++;
    }
    throw new Error("the token was taken back, and its owner was let in for good");
  };
  return { seen, done: call() };
}

/** The p-th part of the values lies at or below the answer. */
export function percentile(values: readonly number[], part: number): number {
  const inOrder = values.toSorted((a, b) => a - b);
  return inOrder[Math.max(0, Math.ceil(part * values.length) - 1)] ?? 0;
}
