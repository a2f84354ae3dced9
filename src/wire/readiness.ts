import { raceAbort } from "../call/race-abort.ts";

/** Whether the server should be sent requests now. */
export interface Readiness {
  /** True if it can serve. Answers what is known for up to a second before it asks again. */
  check(): Promise<boolean>;
  /** From now on not ready, for good. */
  drain(): void;
  /** Aborts at `drain`. */
  readonly draining: AbortSignal;
}

/** For how long an answer holds: probes are unauthenticated, and must not become a load on the store. */
const FRESH_MS = 1000;
/** A store that takes longer than this to answer can't serve; and a probe gives up after a second, as a rule. */
const PATIENCE_MS = 900;

/** @param isReady asks the store. At most one call of it is under way at a time, however many probes come. */
export function createReadiness(isReady: () => Promise<boolean>): Readiness {
  const draining = new AbortController();
  let pending: Promise<boolean> | undefined;
  let known = { ready: false, until: 0 };

  const ask = async (): Promise<boolean> => {
    const ready = await isReady().catch(() => false);
    known = { ready, until: performance.now() + FRESH_MS };
    pending = undefined;
    return ready;
  };

  return {
    draining: draining.signal,
    drain: () => draining.abort(),
    async check() {
      if (draining.signal.aborted) return false;
      if (performance.now() < known.until) return known.ready;
      pending ??= ask();
      return raceAbort(pending, AbortSignal.timeout(PATIENCE_MS)).catch(() => false);
    },
  };
}
