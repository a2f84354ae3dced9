import type { SoakPlan } from "./soak.ts";

const SECOND = 1000;

/** @param minutes how long clients call, the warm-up aside. */
export function longPlan(minutes: number): SoakPlan {
  return {
    workers: 2,
    warmUp: 60 * SECOND,
    duration: minutes * 60 * SECOND,
    sampleEvery: 10 * SECOND,
    reloadEvery: 15 * SECOND,
    life: 20 * SECOND,
    patience: 60 * SECOND,
  };
}

/** For the tests. */
export const SHORT_PLAN: SoakPlan = {
  workers: 2,
  warmUp: 6 * SECOND,
  duration: 20 * SECOND,
  sampleEvery: SECOND,
  reloadEvery: 4 * SECOND,
  life: 6 * SECOND,
  patience: 30 * SECOND,
};
