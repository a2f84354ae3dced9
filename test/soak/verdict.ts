import { type Growth, gainOf, growthOf } from "./growth.ts";
import { COUNTED, countKeys, type Sample, SLACK } from "./lookout.ts";
import type { RestingHoldings } from "./sample.ts";
import type { SoakRecord } from "./soak.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** How far a figure may go up from the second quarter to the last, or by its trend. */
export interface Bounds {
  readonly resident: number;
  readonly heap: number;
  readonly external: number;
  readonly descriptors: number;
  readonly resources: number;
  readonly listeners: number;
  readonly storeMemory: number;
  readonly storeClients: number;
  readonly keys: number;
  /** Of heap and of external memory, from rest to rest. */
  readonly restingMemory: number;
  /** Of objects, from rest to rest: much finer than memory, of which V8 takes some for itself as it likes. */
  readonly restingObjects: number;
}

/** Of a run over at least half an hour. What the clients have open swings, and so does what belongs to that. */
export const LONG: Bounds = {
  resident: 24 * MIB,
  heap: 2 * MIB,
  external: 2 * MIB,
  descriptors: 5,
  resources: 5,
  listeners: 40,
  storeMemory: 256 * KIB,
  storeClients: 1,
  keys: 250,
  restingMemory: 2 * MIB,
  restingObjects: 500,
};

/** Of a run of half a minute, in which the memory of the process has not grown to what it needs, and every median is one of few. */
export const SHORT: Bounds = {
  ...LONG,
  resident: 96 * MIB,
  descriptors: 15,
  resources: 15,
  listeners: 120,
  storeMemory: 512 * KIB,
  storeClients: 2,
  restingMemory: 6 * MIB,
  restingObjects: 3000,
};

/** One figure of one process, or of Redis, over the run. */
export interface Row {
  readonly what: string;
  /** `primary`, `worker 1`, `Redis`. */
  readonly where: string;
  readonly growth: Growth;
  readonly bound: number;
}

const FIGURES = ["resident", "heap", "external", "descriptors", "resources", "listeners"] as const;

export function rowsOf({ samples, plan }: SoakRecord, bounds: Bounds): Row[] {
  const row = (what: string, where: string, bound: number, of: (sample: Sample) => number): Row => {
    const growth = growthOf(samples.map((sample) => ({ time: sample.time, value: of(sample) })));
    return { what, where, growth, bound };
  };
  const places = placesOf(plan.workers);
  return [
    ...FIGURES.flatMap((name) =>
      places.map((where, index) => row(name, where, bounds[name], ({ processes }) => processes[index]?.[name] ?? 0)),
    ),
    row("memory", "Redis", bounds.storeMemory, ({ store }) => store.memory),
    row("clients", "Redis", bounds.storeClients, ({ store }) => store.clients),
    row("keys", "Redis", bounds.keys, ({ store }) => countKeys(store)),
  ];
}

/** What was wrong; nothing if all is well. */
export function findingsIn(record: SoakRecord, bounds: Bounds): string[] {
  const { faults, before, after, plan } = record;
  const grown = rowsOf(record, bounds).filter(({ growth, bound }) => gainOf(growth) > bound);
  const left = placesOf(plan.workers).flatMap((where, index) => {
    const [first, last] = [before, after].map(({ processes }) => processes[index] as RestingHoldings);
    return first && last ? compareAtRest(where, first, last, bounds) : [];
  });
  const prefixes = [...new Set([before, after].flatMap(({ store }) => Object.keys(store.keys)))];
  const kept = prefixes.filter((prefix) => after.store.keys[prefix] !== before.store.keys[prefix]);
  return [
    ...[...faults].map(([fault, count]) => `${count} × ${fault}`),
    ...grown.map(({ what, where, growth }) => `${what} of ${where} grows by ${Math.round(gainOf(growth))}`),
    ...left,
    ...kept.map((key) => `Redis has ${after.store.keys[key] ?? 0} ${key}, and had ${before.store.keys[key] ?? 0}`),
  ];
}

function compareAtRest(where: string, before: RestingHoldings, after: RestingHoldings, bounds: Bounds): string[] {
  const gains = (name: keyof RestingHoldings) => after[name] - before[name];
  const more = [
    ...COUNTED.filter((name) => gains(name) > SLACK),
    ...(["heap", "external"] as const).filter((name) => gains(name) > bounds.restingMemory),
    ...(["objects"] as const).filter((name) => gains(name) > bounds.restingObjects),
  ];
  return more.map((name) => `${where} at rest has ${after[name]} ${name}, and had ${before[name]}`);
}

/** The processes in the order of the samples. */
export function placesOf(workers: number): string[] {
  if (workers === 1) return ["the process"];
  return ["primary", ...Array.from({ length: workers }, (_, index) => `worker ${index + 1}`)];
}
