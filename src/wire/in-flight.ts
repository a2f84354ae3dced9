import { TokenError } from "../errors.ts";
import { Bag, type Packed } from "./bag.ts";

/** A call that can be told to end before its time. */
export interface Endable extends Packed {
  /** When it ends, by `performance.now`. For who counts it in flight. */
  deadline: number;
  end(reason: TokenError): void;
}

/** Calls that end at their deadline, or all at once when the server can wait no longer. */
export interface InFlight {
  /** Ends the call in `timeout` milliseconds, unless it is deleted before. */
  add(call: Endable, timeout: number): void;
  delete(call: Endable): void;
}

/** The least time between two looks at the clock: a deadline may be kept this late. */
const GRAIN_MS = 5;

/**
 * One timer and one listener for all calls, because one of each per call costs more than many a call. The timer is set for the
 * earliest deadline; a call that is done in time, as nearly all are, leaves it alone.
 *
 * @param shutdown aborts with the TokenError that all calls end with.
 */
export function createInFlight(shutdown: AbortSignal): InFlight {
  const calls = new Bag<Endable>();
  let timer: NodeJS.Timeout | undefined;
  let wakeUp = Number.POSITIVE_INFINITY;

  const endAll = () => {
    for (const call of calls.all()) call.end(shutdown.reason);
  };
  shutdown.addEventListener("abort", endAll, { once: true });

  const wakeAt = (deadline: number, now: number) => {
    clearTimeout(timer);
    wakeUp = deadline;
    timer = setTimeout(sweep, Math.max(GRAIN_MS, deadline - now)).unref();
  };

  const sweep = () => {
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const call of calls.all()) {
      if (call.deadline > now) {
        next = Math.min(next, call.deadline);
        continue;
      }
      calls.delete(call);
      call.end(new TokenError("DEADLINE_EXCEEDED", "the deadline passed"));
    }
    wakeUp = next;
    if (next < Number.POSITIVE_INFINITY) wakeAt(next, now);
  };

  return {
    add(call, timeout) {
      if (shutdown.aborted) return call.end(shutdown.reason);
      const now = performance.now();
      call.deadline = now + timeout;
      calls.add(call);
      if (call.deadline < wakeUp) wakeAt(call.deadline, now);
    },
    delete(call) {
      calls.delete(call);
    },
  };
}
