import { setTimeout } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { Inspector } from "./inspector.ts";
import {
  type Holdings,
  type RestingHoldings,
  type StoreHoldings,
  sampleAtRest,
  sampleProcess,
  sampleStore,
} from "./sample.ts";

/** What the processes and Redis hold at a moment. */
export interface Sample<Held extends Holdings = Holdings> {
  /** Milliseconds since the clients began. */
  readonly time: number;
  /** The primary first, where there are workers. */
  readonly processes: readonly Held[];
  readonly store: StoreHoldings;
}

/** Takes the samples. */
export class Lookout {
  readonly #inspectors: readonly Inspector[];
  readonly #redis: Redis;
  #began = performance.now();

  constructor(inspectors: readonly Inspector[], redis: Redis) {
    this.#inspectors = inspectors;
    this.#redis = redis;
  }

  begin(): void {
    this.#began = performance.now();
  }

  get time(): number {
    return performance.now() - this.#began;
  }

  sample(): Promise<Sample> {
    return this.#sample(sampleProcess);
  }

  /**
   * Waits until all that ends by itself has ended, for a while, and answers what there is then.
   *
   * @param keys what Redis held before any client came.
   * @param wait milliseconds.
   * @param goal what the processes held the last time; else they have to hold the same twice.
   */
  async whenAtRest(
    keys: StoreHoldings["keys"],
    wait: number,
    goal?: Sample<RestingHoldings>,
  ): Promise<Sample<RestingHoldings>> {
    const deadline = performance.now() + wait;
    for (let last: Sample<RestingHoldings> | undefined; ; ) {
      const now = await this.#sample(sampleAtRest);
      const reference = goal ?? last;
      const isAtRest = reference !== undefined && holdsNoMore(now, reference) && sameKeys(now.store.keys, keys);
      if (isAtRest || performance.now() > deadline) return now;
      last = now;
      await setTimeout(1000);
    }
  }

  async #sample<Held extends Holdings>(take: (inspector: Inspector) => Promise<Held>): Promise<Sample<Held>> {
    const { time } = this;
    const processes: Held[] = [];
    // One after the other: each stands still meanwhile.
    for (const inspector of this.#inspectors) processes.push(await take(inspector));
    return { time, processes, store: await sampleStore(this.#redis) };
  }
}

/** What it holds that is counted, and not measured. */
export const COUNTED = ["descriptors", "resources", "listeners", "allListeners", "emitters"] as const;

/** So many more of each may be there at rest: a socket that is in another state has a listener or two more, a spare one has seven. */
export const SLACK = 8;

function holdsNoMore({ processes }: Sample<RestingHoldings>, reference: Sample<RestingHoldings>): boolean {
  return processes.every((held, index) => {
    const other = reference.processes[index];
    return COUNTED.every((name) => held[name] <= (other?.[name] ?? 0) + SLACK);
  });
}

function sameKeys(keys: StoreHoldings["keys"], others: StoreHoldings["keys"]): boolean {
  const prefixes = new Set([...Object.keys(keys), ...Object.keys(others)]);
  return [...prefixes].every((prefix) => keys[prefix] === others[prefix]);
}

export function countKeys({ keys }: StoreHoldings): number {
  return Object.values(keys).reduce((sum, count) => sum + count, 0);
}
