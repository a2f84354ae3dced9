import { recordKey } from "../../src/store/redis-keys.ts";
import { SLOTS, slotOf } from "../../src/store/redis-slots.ts";
import type { History, Operation } from "../history/history.ts";
import type { Calls } from "./calls.ts";

/** What a failure case came to. Times are milliseconds. */
export interface Figures {
  readonly acknowledged: number;
  /** UNAVAILABLE, and DEADLINE_EXCEEDED. */
  readonly refused: number;
  readonly late: number;
  /** Tokens whose making was acknowledged, and their deletion never asked for, that are gone. */
  readonly lost: number;
  /** Tokens whose deletion or switching off was acknowledged that are good again. */
  readonly revived: number;
  /** What else contradicts an acknowledgement, such as an old secret that is good again. */
  readonly otherwise: number;
  /** The longest that nothing was read, and nothing written; in a cluster, of the shard that suffers most. */
  readonly withoutReads: number;
  readonly withoutWrites: number;
  readonly slowest: number;
  /** The longest that a call took beyond its deadline. */
  readonly overrun: number;
}

const LOST = /^(\w+): .* was answered (UNKNOWN|TOKEN_NOT_FOUND) without a reason$/;
const REVIVED = /^(\w+): .* succeeded after .* had (deleted it|switched it off)$/;

/**
 * @param violations of `findViolations`.
 * @param span from when to when clients called without a pause, by the clock of the history.
 * @param shards how many equal parts of the slots are served by masters of their own.
 */
export function computeFigures(
  history: History,
  violations: readonly string[],
  calls: Calls,
  span: readonly [number, number],
  shards: number,
): Figures {
  const [lost, revived] = [tokensOf(violations, LOST), tokensOf(violations, REVIVED)];
  const shardOf = (operation: Operation) => {
    const id = "token" in operation ? operation.token : "made" in operation ? operation.made?.id : undefined;
    return id === undefined ? undefined : Math.floor(slotOf(recordKey(id)) / Math.ceil(SLOTS / shards));
  };
  const longestWithout = (isServed: (operation: Operation) => boolean) => {
    const served = history.filter((operation) => operation.outcome === "done" && isServed(operation));
    const byShard = Map.groupBy(served, shardOf);
    const gaps = Array.from({ length: shards }, (_, shard) => longestGap(byShard.get(shard) ?? [], span));
    return Math.round(Math.max(...gaps));
  };
  return {
    acknowledged: history.filter(({ outcome }) => outcome === "done").length,
    refused: calls.unavailable,
    late: calls.late,
    lost: lost.size,
    revived: revived.size,
    otherwise: violations.filter((violation) => !LOST.test(violation) && !REVIVED.test(violation)).length,
    withoutReads: longestWithout(({ type }) => type === "Peek" || type === "Get"),
    withoutWrites: longestWithout(({ type }) => WRITES.includes(type)),
    slowest: Math.round(calls.slowest),
    overrun: Math.round(Math.max(0, calls.overrun)),
  };
}

const WRITES: readonly Operation["type"][] = ["Create", "SetActive", "Update", "Rotate", "Delete"];

function tokensOf(violations: readonly string[], what: RegExp): Set<string> {
  return new Set(violations.flatMap((violation) => what.exec(violation)?.[1] ?? []));
}

function longestGap(operations: readonly Operation[], [first, last]: readonly [number, number]): number {
  const answers = operations.map(({ ended }) => ended).filter((time) => time > first && time < last);
  const times = [first, ...answers.sort((a, b) => a - b), last];
  return Math.max(...times.slice(1).map((time, n) => time - (times[n] as number)));
}
