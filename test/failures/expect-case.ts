import { expect } from "vitest";
import type { FailureCase, Topology } from "./failure-case.ts";
import type { Outcome } from "./run-case.ts";

/** What a loaded machine may add to a deadline, in milliseconds. */
const MARGIN = 700;
/** How long a probe of Kubernetes waits unless told, and what a loaded machine may add, in milliseconds. */
const PROBE = 1000 + MARGIN;
/** Until an instance that has lost Redis says so, in milliseconds: what it knew before holds for a second. */
const NOTICE = 1000 + PROBE;
/** How many violations are shown. */
const SHOWN = 10;

/** Holds what was seen against what is promised for every case, and for this one. */
export function expectPromised<Servers extends Topology>(failure: FailureCase<Servers>, outcome: Outcome): void {
  const { figures, violations, calls, instances, begun } = outcome;
  if (process.env.DBG)
    console.log(
      failure.what,
      figures,
      instances.map(({ probes, lines }) => [
        probes.slowest,
        probes.unready.http.length,
        probes.unready.grpc.length,
        (probes.unready.http[0] ?? 0) - begun,
        (probes.unready.grpc[0] ?? 0) - begun,
        lines,
      ]),
    );
  expect([...calls.faults]).toEqual([]);
  expect(figures.overrun).toBeLessThan(MARGIN);
  if (failure.promised) expect(violations.slice(0, SHOWN)).toEqual([]);
  for (const { probes } of instances) {
    expect(probes.slowest).toBeLessThan(PROBE);
    expect(probes.dead).toBe(0);
    for (const times of Object.values(probes.unready)) {
      if (failure.ready === true) expect(times).toEqual([]);
      if (failure.ready === false) expect((times[0] ?? Number.POSITIVE_INFINITY) - begun).toBeLessThan(NOTICE);
    }
  }
}
