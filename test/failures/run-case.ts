import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import { findViolations } from "../history/check.ts";
import { PLAYED_KINDS } from "../history/kinds.ts";
import { recordHistory } from "../history/runner.ts";
import { createServiceClient, ROOT_TOKEN } from "../support/service.ts";
import { waitUntil } from "../support/wait.ts";
import { Calls } from "./calls.ts";
import type { FailingServers, FailureCase } from "./failure-case.ts";
import { computeFigures, type Figures } from "./figures.ts";
import { BACK, type Instance, LOST, startInstance, startIslandInstance } from "./instances.ts";
import { type Probes, startProbes } from "./probes.ts";

const CLIENTS = 6;
/** How many operations are answered before anything happens. */
const WARM_UP = 400;
/** How long it goes on when all is well again, in milliseconds. */
const COOL_DOWN = 700;
const LASTS = 1500;
/** Milliseconds until all is served again, without a restart: sentinels may take 20 seconds to find a replica that follows the wrong master. */
const RECOVERY = 40_000;

/** How often clients repeat at once what was not answered. More, and they would do nothing else meanwhile. */
const REPEATS = 3;

/** So many that each shard of a cluster has some. */
const SUBJECTS: readonly [string, ...string[]] = ["s0", ...Array.from({ length: 35 }, (_, n) => `s${n + 1}`)];

/** What was seen of a case. */
export interface Outcome {
  readonly figures: Figures;
  readonly violations: readonly string[];
  readonly calls: Calls;
  readonly instances: readonly InstanceOutcome[];
  /** When it began to go wrong, by `performance.now()`. */
  readonly begun: number;
  /** The longest that this machine had no time for this process, in milliseconds. */
  readonly stall: number;
  /** By which the clients chose what to call. */
  readonly seed: number;
}

export interface InstanceOutcome {
  readonly probes: Probes;
  readonly lines: readonly string[];
}

/** Plays the case with two instances and several clients, until all is served again. */
export async function runCase<Servers extends FailingServers>(
  servers: Servers,
  failure: FailureCase<Servers>,
  variables: Record<string, string>,
): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-failures-"));
  const shared = {
    ...variables,
    LATCHKEY_STORE: servers.url,
    LATCHKEY_KEYS: join(folder, "keys.yaml"),
  };
  const instances: Instance[] = [];
  try {
    instances.push(await startInstance(shared));
    const { partition } = servers;
    instances.push(await (partition ? startIslandInstance(shared, partition) : startInstance(shared)));
    return await play(servers, failure, instances);
  } finally {
    await Promise.all(instances.map((instance) => instance.close()));
    rmSync(folder, { recursive: true });
  }
}

async function play<Servers extends FailingServers>(
  servers: Servers,
  failure: FailureCase<Servers>,
  instances: readonly Instance[],
): Promise<Outcome> {
  const urls = instances.map(({ url }) => url);
  const calls = new Calls();
  const seed = Date.now() % 1_000_000;
  const stalls = monitorEventLoopDelay();
  stalls.enable();
  const probes = urls.map(startProbes);
  let [begun, over] = [0, 0];
  const meanwhile = async (progress: (part: number) => Promise<void>) => {
    await progress(1);
    begun = performance.now();
    await failure.begin(servers);
    await setTimeout(failure.lasts ?? LASTS);
    await failure.end?.(servers);
    await Promise.all(urls.map(untilServed));
    await setTimeout(COOL_DOWN);
    over = performance.now();
  };
  const history = await recordHistory({
    urls,
    clients: CLIENTS,
    operations: WARM_UP,
    kinds: PLAYED_KINDS,
    subjects: SUBJECTS,
    removesAll: false,
    repeats: REPEATS,
    seed,
    meanwhile,
    connect: calls.connect,
  });
  await Promise.all(probes.map((probe) => probe.stop()));
  await Promise.all(instances.map(untilBack));
  stalls.disable();
  const violations = findViolations(history);
  const { shards } = servers;
  const figures = computeFigures({ history, violations, calls, probes, span: [begun, over], shards });
  const seen = instances.map((instance, n) => ({ probes: probes[n] as Probes, lines: instance.lines() }));
  return { figures, violations, calls, instances: seen, begun, stall: stalls.max / 1e6, seed };
}

/** Writes and reads in every shard, and readiness, through this instance. */
async function untilServed(url: string): Promise<void> {
  const root = createServiceClient(url, ROOT_TOKEN);
  const isServed = async () => {
    const lifetime = { case: "permanent", value: true } as const;
    await Promise.all(
      SUBJECTS.map((subject) => root.create({ subject: `probe-${subject}`, kind: "service", lifetime })),
    );
    return (await fetch(`${url}/readyz`)).ok;
  };
  await waitUntil(`${url} serves again`, isServed, RECOVERY);
}

/**
 * What the instance told to be lost is told to be back. One that was on the minority side goes to the new master only when a sentinel
 * names it, a second after the others, and that is an outage of its own.
 */
async function untilBack({ lines }: Instance): Promise<void> {
  const lastOf = (line: RegExp) => lines().findLastIndex((told) => line.test(told));
  await waitUntil("the store is told to be back", async () => lastOf(BACK) >= lastOf(LOST), RECOVERY);
}
