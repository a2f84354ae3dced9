import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import type { Measured } from "../compare.ts";
import type { Growth } from "../growth/growth.ts";
import { type Ratio, ratiosBetween } from "./ratios.ts";
import { median } from "./statistics.ts";

const FILE = join(import.meta.dirname, "../results.json");

/** What `bench/results.json` holds: the last comparison and the last look at growth. */
export interface Results {
  readonly machine: { readonly processor: string; readonly cores: number; readonly node: string };
  readonly comparison?: Comparison;
  readonly growth?: Growth;
}

export interface Comparison {
  readonly tokens: number;
  readonly rounds: number;
  readonly ratios: readonly Ratio[];
  readonly candidates: readonly Summary[];
}

/** Medians over the rounds, with the lowest and the highest where the spread matters. */
export interface Summary {
  readonly letter: string;
  readonly name: string;
  readonly callsPerCoreSecond: { readonly median: number; readonly low: number; readonly high: number };
  readonly callsPerSecond: number;
  /** Microseconds on the processor, of the server and of Redis. */
  readonly cpuPerCall: number;
  readonly redisPerCall: number;
  /** Microseconds at half of its own peak load. */
  readonly p50: number;
  readonly p99: number;
  /** Bytes that a call puts on V8's heap, and bytes of the whole process after all. */
  readonly heapPerCall: number;
  readonly memory: number;
  /** Shares of a core at its peak. */
  readonly busy: { readonly server: number; readonly redis: number; readonly load: number };
  /** Calls that clients left behind, after which it went on. */
  readonly abandoned: number;
}

export function summarize(tokens: number, all: readonly Measured[]): Comparison {
  const [first] = all;
  return {
    tokens,
    rounds: first?.callsPerSecond.length ?? 0,
    ratios: ratiosBetween(all),
    candidates: all.map(summarizeOne),
  };
}

function summarizeOne(measured: Measured): Summary {
  const { candidate, callsPerCoreSecond, latency, busy } = measured;
  const rate = median(callsPerCoreSecond);
  const share = (part: "server" | "redis" | "load") => Number(median(busy.map((round) => round[part])).toFixed(2));
  return {
    letter: candidate.letter,
    name: candidate.name,
    callsPerCoreSecond: {
      median: Math.round(rate),
      low: Math.round(Math.min(...callsPerCoreSecond)),
      high: Math.round(Math.max(...callsPerCoreSecond)),
    },
    callsPerSecond: Math.round(median(measured.callsPerSecond)),
    cpuPerCall: Number((1e6 / rate).toFixed(1)),
    redisPerCall: Number(median(measured.redisMicroseconds).toFixed(2)),
    p50: median(latency.map(({ p50 }) => p50)),
    p99: median(latency.map(({ p99 }) => p99)),
    heapPerCall: Math.round(measured.heapBytesPerCall ?? 0),
    memory: measured.memory,
    busy: { server: share("server"), redis: share("redis"), load: share("load") },
    abandoned: measured.abandoned,
  };
}

/** Puts a part of the results in the place of its last version. Answers all of them. */
export function keepResults(part: Partial<Results>): Results {
  const known = existsSync(FILE) ? (JSON.parse(readFileSync(FILE, "utf8")) as Results) : undefined;
  const all = cpus();
  const machine = { processor: all[0]?.model ?? "", cores: all.length, node: process.version };
  const results = { ...known, machine, ...part };
  writeFileSync(FILE, `${JSON.stringify(results, null, 2)}\n`);
  return results;
}
