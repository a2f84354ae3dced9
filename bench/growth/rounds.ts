import type { Report, Target } from "../load/job.ts";
import type { Machine } from "../machine/machine.ts";
import { median, round2 } from "../report/statistics.ts";
import type { World } from "./world.ts";

const ROUNDS = 5;
const SECONDS = 2;
const WARM_UP = 0.5;
const BURN_IN = 3;

/** What is measured side by side. */
export interface Subject {
  readonly world: Pick<World, "redis" | "server">;
  readonly target: Target;
}

/** Medians over the rounds. */
export interface Cost {
  /** Calls for each second that the server ran on a processor. */
  readonly callsPerCoreSecond: number;
  /** The same, as a part of the first one's in the same round. */
  readonly ofFirst: number;
  /** Microseconds of Redis' processor. */
  readonly redisPerCall: number;
  /** Microseconds. */
  readonly p50: number;
}

/** Measures all in turn, round after round. */
export async function measureInTurn(subjects: readonly Subject[], { load }: Machine): Promise<Cost[]> {
  const run = ({ world, target }: Subject, seconds: number) =>
    load.run({
      target,
      pace: { type: "closed" },
      warmUp: WARM_UP,
      seconds,
      watch: [world.redis.pid, ...world.server.pids],
    });
  for (const subject of subjects) await run(subject, BURN_IN);
  const rounds: Report[][] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const reports: Report[] = new Array(subjects.length);
    for (let step = 0; step < subjects.length; step++) {
      const index = (round + step) % subjects.length;
      reports[index] = await run(subjects[index] as Subject, SECONDS);
    }
    rounds.push(reports);
  }
  return subjects.map((_, index) => summarize(rounds, index));
}

function summarize(rounds: readonly Report[][], index: number): Cost {
  const over = (value: (report: Report) => number) => median(rounds.map((reports) => value(reports[index] as Report)));
  return {
    callsPerCoreSecond: Math.round(over(ratePerCore)),
    ofFirst: median(rounds.map((reports) => ratePerCore(reports[index]) / ratePerCore(reports[0]))),
    redisPerCall: round2(over(({ cpu: [redis = 0], calls }) => (redis / calls) * 1e6)),
    p50: over(({ latency }) => latency.p50),
  };
}

function ratePerCore(report: Report | undefined): number {
  if (!report) return Number.NaN;
  const [, ...server] = report.cpu;
  return report.calls / server.reduce((sum, seconds) => sum + seconds, 0);
}
