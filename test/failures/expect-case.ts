import { expect } from "vitest";
import type { FailingServers, FailureCase } from "./failure-case.ts";
import { BACK, LOST } from "./instances.ts";
import type { Outcome } from "./run-case.ts";
import type { Tried } from "./test-cases.ts";

/** What an answer may come late, in milliseconds. */
const MARGIN = 400;
/** How often a call and its answer may meet the longest moment in which the machine has no time for them. */
const STALLS = 3;
/** Beyond this it counts as late all the same, in milliseconds. */
const MOST_STALLED = 1500;
/** How long a probe of Kubernetes waits unless told, in milliseconds. */
const PROBE = 1000;
/** Until an instance that has lost Redis says so, in milliseconds: what it knew before holds for a second. */
const NOTICE = 1000 + PROBE;
/** How many lines an outage may cost the operator: each cause, of each server, is told once. */
const LINES = 12;
/** How many violations are shown. */
const SHOWN = 10;

/** Holds what was seen against what is promised for every case, and for this one. */
export function expectPromised<Servers extends FailingServers>(
  failure: FailureCase<Servers>,
  { promised }: Tried,
  outcome: Outcome,
): void {
  const { figures, violations, calls, instances, begun, stall, seed } = outcome;
  const margin = MARGIN + Math.min(STALLS * stall, MOST_STALLED);
  expect([...calls.faults]).toEqual([]);
  expect(figures.overrun).toBeLessThan(margin);
  if (promised) expect(violations.slice(0, SHOWN), `seed ${seed}`).toEqual([]);
  for (const { probes, lines } of instances) {
    expect(probes.slowest).toBeLessThan(PROBE + margin);
    expect(probes.dead).toBe(0);
    for (const times of Object.values(probes.unready)) {
      if (failure.ready === true) expect(times).toEqual([]);
      if (failure.ready === false) expect((times[0] ?? Number.POSITIVE_INFINITY) - begun).toBeLessThan(NOTICE + margin);
    }
    expectFewLines(lines, failure.ready === false);
  }
}

/** All that was told to be lost is told to be back, once, and nothing is told again and again. */
function expectFewLines(lines: readonly string[], isLost: boolean): void {
  const told = (...what: [letter: string, line: RegExp][]) =>
    lines.flatMap((line) => what.filter(([, pattern]) => pattern.test(line)).map(([letter]) => letter)).join("");
  const outages = told(["L", LOST], ["B", BACK]);
  expect(outages).toMatch(new RegExp(`^(L{1,${LINES}}B)*$`));
  if (isLost) expect(outages).not.toBe("");
  expect(told(["u", /^too few replicas confirm/], ["c", /^the replicas confirm again/])).toMatch(/^(uc)*$/);
}
