import { join } from "node:path";
import type { FillOrder } from "./candidates/fill-order.ts";
import { type Candidate, candidates } from "./candidates/table.ts";
import type { KeyFile, Pace, Report, Target } from "./load/job.ts";
import type { Machine } from "./machine/machine.ts";
import { type BenchRedis, startBenchRedis } from "./machine/redis.ts";
import { runScript } from "./machine/script.ts";
import { type Server, startServer } from "./machine/server.ts";
import { median } from "./report/statistics.ts";
import type { FilledLatchkey } from "./tokens/fill-latchkey.ts";

export interface ComparisonPlan {
  readonly tokens: number;
  readonly letters: string;
  readonly rounds: number;
  /** Seconds of one measurement, before each, and before the first one of all. */
  readonly seconds: number;
  readonly warmUp: number;
  readonly burnIn: number;
  /** Seconds since the process began after which no round begins any more. */
  readonly lastRound?: number;
  /** Rounds at half of the peak load, for the latency; 0: none, and no look at the memory either. */
  readonly latencyRounds: number;
}

/** What one candidate did, a number for each round. */
export interface Measured {
  readonly candidate: Candidate;
  /** Calls for each second that the server ran on a processor. */
  readonly callsPerCoreSecond: number[];
  readonly callsPerSecond: number[];
  /** Of the server's core, of Redis' and of the load's: 1 is all of it. */
  readonly busy: { server: number; redis: number; load: number }[];
  readonly redisMicroseconds: number[];
  /** Microseconds at half of the candidate's own peak. */
  readonly latency: { p50: number; p99: number }[];
  heapBytesPerCall: number | undefined;
  memory: number;
  /** How many calls clients left behind. */
  abandoned: number;
}

interface Entry {
  readonly candidate: Candidate;
  readonly server: Server;
  readonly target: Target;
  readonly measured: Measured;
}

/** Measures the candidates one after the other, round after round, so that what else the machine does meets all of them alike. */
export async function compare(plan: ComparisonPlan, machine: Machine): Promise<Measured[]> {
  await using opened = new AsyncDisposableStack();
  const { cores, load, say } = machine;
  const redis = await startBenchRedis(cores.redis);
  opened.defer(() => redis.stop());
  const entries = await openEntries(plan, machine, redis, opened);

  const measure = ({ target, server }: Entry, pace: Pace, seconds: number) =>
    load.run({ target, pace, seconds, warmUp: plan.warmUp, watch: [redis.pid, ...server.pids] });

  // V8 compiles what runs often, and that takes a while.
  for (const entry of entries) await measure(entry, { type: "closed" }, plan.burnIn);
  for (let round = 0; round < plan.rounds && process.uptime() < (plan.lastRound ?? Infinity); round++) {
    for (const entry of rotated(entries, round)) {
      const report = await measure(entry, { type: "closed" }, plan.seconds);
      note(entry.measured, report);
      say(`round ${round + 1}, ${describe(entry)}`);
    }
  }
  for (let round = 0; round < plan.latencyRounds; round++) {
    for (const entry of rotated(entries, round)) {
      const rate = median(entry.measured.callsPerSecond) / 2;
      const { latency, abandoned } = await measure(entry, { type: "open", rate }, plan.seconds);
      entry.measured.latency.push(latency);
      entry.measured.abandoned += abandoned;
      say(`latency ${round + 1}, (${entry.candidate.letter}): p50 ${latency.p50} µs, p99 ${latency.p99} µs`);
    }
  }
  for (const entry of entries) {
    if (plan.latencyRounds > 0) {
      const { target, server } = entry;
      const job = { target, pace: { type: "closed" }, seconds: plan.seconds, warmUp: 0, watch: [] } as const;
      const { bytes, result } = await server.heapUse(() => load.run(job));
      entry.measured.heapBytesPerCall = bytes / result.calls;
    }
    entry.measured.memory = entry.server.memory();
  }
  return entries.map(({ measured }) => measured);
}

async function openEntries(
  plan: ComparisonPlan,
  { cores, folder, say }: Machine,
  redis: BenchRedis,
  opened: AsyncDisposableStack,
): Promise<Entry[]> {
  const keysPath = join(folder, "keys.yaml");
  const fill = async (file: string, name: string) => {
    const order: FillOrder = { count: plan.tokens, path: join(folder, `${name}.keys`) };
    const variables = { REDIS_URL: redis.url, KEYS: keysPath, FILL: JSON.stringify(order), BARE: "1" };
    say(`makes ${plan.tokens} tokens with ${file}`);
    return JSON.parse(await runScript({ file, variables })) as unknown;
  };
  const latchkey = (await fill("bench/tokens/fill-latchkey.ts", "latchkey")) as FilledLatchkey;

  const entries: Entry[] = [];
  for (const candidate of candidates(redis.url, keysPath)) {
    if (!plan.letters.includes(candidate.letter)) continue;
    const keys = candidate.fill ? ((await fill(candidate.fill, candidate.letter)) as KeyFile) : latchkey.keys;
    const server = await startServer({
      ...candidate.script,
      core: cores.server,
      log: join(folder, `${candidate.letter}.log`),
    });
    opened.defer(() => server.stop());
    const target = candidate.target(server.url, keys, latchkey.introspector);
    entries.push({ candidate, server, target, measured: nothingMeasured(candidate) });
  }
  return entries;
}

function nothingMeasured(candidate: Candidate): Measured {
  return {
    candidate,
    callsPerCoreSecond: [],
    callsPerSecond: [],
    busy: [],
    redisMicroseconds: [],
    latency: [],
    heapBytesPerCall: undefined,
    memory: 0,
    abandoned: 0,
  };
}

function note(measured: Measured, { calls, seconds, cpu, ownCpu, abandoned }: Report): void {
  const [redis = 0, ...server] = cpu;
  const serverSeconds = server.reduce((sum, own) => sum + own, 0);
  measured.callsPerCoreSecond.push(calls / serverSeconds);
  measured.callsPerSecond.push(calls / seconds);
  measured.busy.push({ server: serverSeconds / seconds, redis: redis / seconds, load: ownCpu / seconds });
  measured.redisMicroseconds.push((redis / calls) * 1e6);
  measured.abandoned += abandoned;
}

/** Each round begins with another one, so that none always comes after the same. */
function rotated<T>(all: readonly T[], round: number): T[] {
  const start = round % all.length;
  return [...all.slice(start), ...all.slice(0, start)];
}

function describe({ candidate, measured }: Entry): string {
  const { server, redis, load } = measured.busy.at(-1) ?? { server: 0, redis: 0, load: 0 };
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  const rate = Math.round(measured.callsPerCoreSecond.at(-1) ?? 0);
  return `(${candidate.letter}): ${rate} calls a core-second; server ${percent(server)}, Redis ${percent(redis)}, load ${percent(load)}`;
}
