import { describe, expect, test } from "vitest";
import { faultsInLog } from "./log-faults.ts";
import { type Sample, SLACK } from "./lookout.ts";
import { SHORT_PLAN } from "./plans.ts";
import type { RestingHoldings } from "./sample.ts";
import type { SoakRecord } from "./soak.ts";
import { findingsIn, LONG } from "./verdict.ts";

const MIB = 2 ** 20;
const SAMPLES = 40;

const usual: RestingHoldings = {
  resident: 200 * MIB,
  heap: 30 * MIB,
  external: 10 * MIB,
  descriptors: 40,
  resources: 10,
  listeners: 60,
  allListeners: 90,
  emitters: 120,
  objects: 60_000,
};
const store = { memory: 2 * MIB, clients: 7, keys: { "lk:t": 100, "lk:s": 100 } };

/** A sample in which the second worker and Redis differ from the usual. */
function sampleOf(time: number, other: Partial<RestingHoldings> = {}, changes: Partial<Sample["store"]> = {}) {
  return { time, processes: [usual, usual, { ...usual, ...other }], store: { ...store, ...changes } };
}

function recordOf(changes: Partial<SoakRecord>): SoakRecord {
  const samples = Array.from({ length: SAMPLES }, (_, index) => sampleOf(index * 1000));
  const [before, after] = [sampleOf(0), sampleOf(0)];
  return { plan: SHORT_PLAN, calls: 1, reloads: 1, faults: new Map(), samples, before, after, ...changes };
}

/** @param at what differs, by how far the run has got: 0 to 1. */
function growing(at: (part: number) => Sample): SoakRecord {
  return recordOf({ samples: Array.from({ length: SAMPLES }, (_, index) => at(index / SAMPLES)) });
}

describe("a soak", () => {
  test("in which nothing happens is sound", () => {
    expect(findingsIn(recordOf({}), LONG)).toEqual([]);
  });

  test.each(["resident", "heap", "external", "descriptors", "resources", "listeners"] as const)(
    "in which %s grow to twice the bound is not",
    (name) => {
      const record = growing((part) =>
        sampleOf(part * 60_000, { [name]: usual[name] + Math.round(2.2 * part * LONG[name]) }),
      );
      expect(findingsIn(record, LONG)).toEqual([expect.stringMatching(`^${name} of worker 2 grows by \\d+$`)]);
    },
  );

  test("in which Redis gets fuller is not", () => {
    const record = growing((part) =>
      sampleOf(part * 60_000, {}, { memory: (2 + part) * MIB, keys: { "lk:t": 100, "lk:s": 100 + part * 1000 } }),
    );
    expect(findingsIn(record, LONG)).toEqual([
      expect.stringMatching(/^memory of Redis grows by \d+$/),
      expect.stringMatching(/^keys of Redis grows by \d+$/),
    ]);
  });

  test.each(["descriptors", "resources", "listeners", "allListeners", "emitters"] as const)(
    "that leaves more of the %s behind than a socket or two have is not",
    (name) => {
      const [now, then] = [usual[name] + SLACK + 1, usual[name]];
      expect(findingsIn(recordOf({ after: sampleOf(0, { [name]: now - 1 }) }), LONG)).toEqual([]);
      expect(findingsIn(recordOf({ after: sampleOf(0, { [name]: now }) }), LONG)).toEqual([
        `worker 2 at rest has ${now} ${name}, and had ${then}`,
      ]);
    },
  );

  test("that leaves more objects behind than a few that are made once is not", () => {
    const objects = usual.objects + LONG.restingObjects;
    expect(findingsIn(recordOf({ after: sampleOf(0, { objects }) }), LONG)).toEqual([]);
    expect(findingsIn(recordOf({ after: sampleOf(0, { objects: objects + 1 }) }), LONG)).toEqual([
      `worker 2 at rest has ${objects + 1} objects, and had ${usual.objects}`,
    ]);
  });

  test("that leaves keys behind, of a sort that was there or not, is not", () => {
    const after = sampleOf(0, {}, { keys: { "lk:t": 101, "lk:s": 100, "lk:p": 1 } });
    expect(findingsIn(recordOf({ after }), LONG)).toEqual([
      "Redis has 101 lk:t, and had 100",
      "Redis has 1 lk:p, and had 0",
    ]);
  });

  test("with a wrong answer is not", () => {
    const faults = new Map([["a new token: UNKNOWN instead of ACTIVE", 2]]);
    expect(findingsIn(recordOf({ faults }), LONG)).toEqual(["2 × a new token: UNKNOWN instead of ACTIVE"]);
  });
});

test("a log tells of errors, of warnings that are not expected, and of what Node says", () => {
  const lines = [
    '{"level":40,"msg":"spent secret presented"}',
    '{"level":30,"msg":"read the keys again"}',
    '{"level":50,"msg":"call","reason":"INTERNAL","cause":"TypeError\\n    at one.ts:1"}',
    '{"level":50,"msg":"call","reason":"INTERNAL","cause":"TypeError\\n    at two.ts:2"}',
    "Debugger attached.",
    "(node:1) MaxListenersExceededWarning: Possible EventEmitter memory leak detected.",
  ];
  expect(faultsInLog(`${lines.join("\n")}\n`)).toEqual({
    reloads: 1,
    faults: new Map([
      ["logged: call: INTERNAL: TypeError", 2],
      ["logged: (node:1) MaxListenersExceededWarning: Possible EventEmitter memory leak detected.", 1],
    ]),
  });
});
