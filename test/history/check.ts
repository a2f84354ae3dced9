import { refusedWithoutExcuse } from "./availability.ts";
import type { History } from "./history.ts";
import { readLives } from "./life.ts";
import {
  bothReplacementsGood,
  exchangedTwice,
  lookedAtAfterExhaustion,
  type Rule,
  usedAfterDeletion,
  usedAfterExpiry,
  usedBeforeBirth,
  usedOldSecret,
  usedTooOften,
  usedWhileSwitchedOff,
} from "./safety.ts";

const RULES: readonly Rule[] = [
  usedBeforeBirth,
  usedAfterDeletion,
  usedWhileSwitchedOff,
  usedTooOften,
  lookedAtAfterExhaustion,
  usedAfterExpiry,
  usedOldSecret,
  bothReplacementsGood,
  exchangedTwice,
  refusedWithoutExcuse,
];

/**
 * What a service must not have answered, each in a sentence. Whatever overlaps may have happened in any order, so nothing
 * is reported that a service with atomic operations could have answered.
 */
export function findViolations(history: History): string[] {
  return readLives(history).flatMap((life) => RULES.flatMap((rule) => rule(life)));
}
