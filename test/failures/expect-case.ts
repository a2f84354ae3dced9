import { expect } from "vitest";
import type { FailureCase, Topology } from "./failure-case.ts";
import type { Outcome } from "./run-case.ts";
import type { Tried } from "./test-cases.ts";

/** What an answer may come late, in milliseconds; and what is known to be the machine's, besides. */
const MARGIN = 400;
/** How long a probe of Kubernetes waits unless told, in milliseconds. */
const PROBE = 1000;
/** Until an instance that has lost Redis says so, in milliseconds: what it knew before holds for a second. */
const NOTICE = 1000 + PROBE;
/** How many violations are shown. */
const SHOWN = 10;

/** Holds what was seen against what is promised for every case, and for this one. */
export function expectPromised<Servers extends Topology>(
  failure: FailureCase<Servers>,
  { promised }: Tried,
  outcome: Outcome,
): void {
  const { figures, violations, calls, instances, begun, stall } = outcome;
  const margin = MARGIN + stall;
  expect([...calls.faults]).toEqual([]);
  expect(figures.overrun).toBeLessThan(margin);
  if (promised) expect(violations.slice(0, SHOWN)).toEqual([]);
  for (const { probes } of instances) {
    expect(probes.slowest).toBeLessThan(PROBE + margin);
    expect(probes.dead).toBe(0);
    for (const times of Object.values(probes.unready)) {
      if (failure.ready === true) expect(times).toEqual([]);
      if (failure.ready === false) expect((times[0] ?? Number.POSITIVE_INFINITY) - begun).toBeLessThan(NOTICE + margin);
    }
  }
}
