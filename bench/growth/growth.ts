import type { Machine } from "../machine/machine.ts";
import { type BatchGain, measureBatches } from "./batch.ts";
import { measureRemovals, type Removal } from "./delete-all.ts";
import { type LargeSubject, measureLargeSubjects } from "./large-subjects.ts";
import { type ManyTokens, measureManyTokens } from "./many-tokens.ts";
import { openWorld, type World } from "./world.ts";

/** What it costs to have more. */
export interface Growth {
  readonly manyTokens: readonly ManyTokens[];
  readonly batches: BatchGain;
  readonly largeSubjects: readonly LargeSubject[];
  readonly removals: readonly Removal[];
}

const SIZES = [1_000, 100_000, 1_000_000];

export async function measureGrowth(machine: Machine): Promise<Growth> {
  await using opened = new AsyncDisposableStack();
  const worlds: World[] = [];
  for (const size of SIZES) worlds.push(await openWorld(size, machine, opened));
  const [, middle] = worlds as [World, World];
  const show = <T>(result: T): T => {
    machine.say(JSON.stringify(result));
    return result;
  };
  return {
    manyTokens: show(await measureManyTokens(worlds, machine)),
    batches: show(await measureBatches(machine)),
    largeSubjects: show(await measureLargeSubjects(middle, machine)),
    removals: show(await measureRemovals(middle, machine)),
  };
}
