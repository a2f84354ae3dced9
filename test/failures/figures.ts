import { recordKey } from "../../src/store/redis-keys.ts";
import { SLOTS, slotOf } from "../../src/store/redis-slots.ts";
import type { History, Operation } from "../history/history.ts";
import type { Calls } from "./calls.ts";
import type { Probes } from "./probes.ts";

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
  /** Until the last of the instances that said so was not ready. Undefined: none did. */
  readonly unready: number | undefined;
}

const LOST = /^(\w+): .* was answered (UNKNOWN|TOKEN_NOT_FOUND) without a reason$/;
const REVIVED = /^(\w+): .* succeeded after .* had (deleted it|switched it off)$/;

/** What was recorded of a case. */
export interface Records {
  readonly history: History;
  /** Of `findViolations`. */
  readonly violations: readonly string[];
  readonly calls: Pick<Calls, "unavailable" | "late" | "slowest" | "overrun">;
  readonly probes: readonly Pick<Probes, "unready">[];
  /** From when it began to go wrong until clients stopped, by the clock of the history. */
  readonly span: readonly [number, number];
  /** How many masters share the slots. */
  readonly shards: number;
}

export function computeFigures({ history, violations, calls, probes, span, shards }: Records): Figures {
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
  const noticed = probes.flatMap(({ unready }) => Object.values(unready).flatMap((times) => times.slice(0, 1)));
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
    unready: noticed.length === 0 ? undefined : Math.round(Math.max(...noticed) - span[0]),
  };
}

/** Those that change something whenever they are done. */
const WRITES: readonly Operation["type"][] = ["Create", "Rotate", "Delete"];

function tokensOf(violations: readonly string[], what: RegExp): Set<string> {
  return new Set(violations.flatMap((violation) => what.exec(violation)?.[1] ?? []));
}

function longestGap(operations: readonly Operation[], [first, last]: readonly [number, number]): number {
  const answers = operations.map(({ ended }) => ended).filter((time) => time > first && time < last);
  const times = [first, ...answers.sort((a, b) => a - b), last];
  return Math.max(...times.slice(1).map((time, n) => time - (times[n] as number)));
}
