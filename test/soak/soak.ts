import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { createFolder } from "../support/at-end.ts";
import { type ServiceProcess, spawnService, untilServing } from "../support/process.ts";
import { startRedis } from "../support/redis-server.ts";
import { ROOT_TOKEN } from "../support/service.ts";
import { ANY_INSPECTOR_PORT, openInspectors } from "./inspector.ts";
import { Load } from "./load.ts";
import { faultsInLog } from "./log-faults.ts";
import { countKeys, Lookout, type Sample } from "./lookout.ts";
import { childrenOf, type Holdings, prepareSamples, type RestingHoldings, sampleStore } from "./sample.ts";
import { SOAK_KINDS, settle } from "./site.ts";
import { Tally } from "./tally.ts";

/** Milliseconds, but for the workers. */
export interface SoakPlan {
  readonly workers: number;
  /** How long the clients call before anything counts: caches fill, code is compiled. */
  readonly warmUp: number;
  readonly duration: number;
  readonly sampleEvery: number;
  readonly reloadEvery: number;
  /** How long tokens live that nobody deletes. */
  readonly life: number;
  /** How long all that clients leave behind may take to go, beyond the life of the tokens. */
  readonly patience: number;
  /** An expression that runs in each worker before anything counts: a leak, to see whether it is found. */
  readonly plant?: string;
}

export interface SoakRecord {
  readonly plan: SoakPlan;
  readonly calls: number;
  readonly reloads: number;
  /** Wrong answers, errors, and what the service's log should not say; each with how often it was. */
  readonly faults: ReadonlyMap<string, number>;
  /** While the clients called. */
  readonly samples: readonly Sample[];
  /** Without clients: after the warm-up, and at the end. */
  readonly before: Sample<RestingHoldings>;
  readonly after: Sample<RestingHoldings>;
}

const FEWEST_SAMPLES = 12;

/** Starts a service as `npm start` does, on a Redis of its own, and has clients call it for a while. */
export async function soak(plan: SoakPlan, say: (text: string) => void = () => {}): Promise<SoakRecord> {
  await using opened = new AsyncDisposableStack();
  // The service works in it, and ends with it, however this process does.
  const folder = createFolder("latchkey-soak-");
  opened.defer(() => folder.remove());
  const redis = await startRedis({ config: { appendonly: "yes" } });
  opened.defer(() => redis.stop());
  const service = startProcesses(plan, redis.url, folder.path);
  opened.defer(() => service.destroy());
  const url = await untilServing(service);
  const pids = pidsOf(service);
  const inspectors = await openInspectors(service, pids.length);
  inspectors.sort((a, b) => pids.indexOf(a.pid) - pids.indexOf(b.pid));
  for (const inspector of inspectors) opened.defer(() => inspector.close());
  await Promise.all(inspectors.map(prepareSamples));

  const tally = new Tally();
  const site = await settle(url, plan.life, tally);
  const look = new Lookout(inspectors, redis.admin);
  const { keys } = await sampleStore(redis.admin);
  if (plan.plant) for (const { evaluate } of inspectors.slice(plan.workers > 1 ? 1 : 0)) await evaluate(plan.plant);

  await callFor(new Load(site), plan.warmUp);
  const before = await look.whenAtRest(keys, plan.life + plan.patience);
  say(`warmed up with ${tally.calls} calls`);

  const samples: Sample[] = [];
  const over = new AbortController();
  const load = new Load(site);
  const reloading = reloadEvery(plan.reloadEvery, service, over.signal);
  look.begin();
  // A machine that is busy takes fewer of them in that time than it takes to tell anything.
  while (look.time < plan.duration || samples.length < FEWEST_SAMPLES) {
    await setTimeout(plan.sampleEvery);
    samples.push(await look.sample());
    say(progress(samples, tally));
  }
  await load.stop();
  over.abort();
  const reloads = await reloading;
  const after = await look.whenAtRest(keys, plan.life + plan.patience, before);

  if (pidsOf(service).join() !== pids.join()) tally.note("a process has ended, and another one took its place");
  // A process that is looked into does not end.
  for (const inspector of inspectors) inspector.close();
  service.child.kill("SIGTERM");
  tally.expect("the end of the service", String(await service.exit), "0");
  const heard = faultsInLog(service.stderr());
  const faults = new Map([...tally.faults, ...heard.faults]);
  if (heard.reloads !== reloads) faults.set(`keys were read ${heard.reloads} times instead of ${reloads}`, 1);
  return { plan, calls: tally.calls, reloads, faults, samples, before, after };
}

function startProcesses(plan: SoakPlan, store: string, folder: string): ServiceProcess {
  const kinds = join(folder, "kinds.yaml");
  writeFileSync(kinds, SOAK_KINDS);
  const variables = {
    ...ANY_INSPECTOR_PORT,
    LATCHKEY_LISTEN: "127.0.0.1:0",
    LATCHKEY_STORE: store,
    LATCHKEY_KINDS: kinds,
    LATCHKEY_ISSUER: "https://latchkey.test",
    LATCHKEY_ROOT_TOKEN: ROOT_TOKEN,
    LATCHKEY_WORKERS: String(plan.workers),
  };
  return spawnService(variables, folder);
}

function pidsOf({ child }: ServiceProcess): number[] {
  const pid = child.pid ?? 0;
  return [pid, ...childrenOf(pid)];
}

async function callFor(load: Load, duration: number): Promise<void> {
  await setTimeout(duration);
  await load.stop();
}

/** Has the keys read again every so often. Answers how often. */
async function reloadEvery(interval: number, { child }: ServiceProcess, signal: AbortSignal): Promise<number> {
  for (let count = 0; ; count++) {
    await setTimeout(interval, undefined, { signal }).catch(() => {});
    if (signal.aborted) return count;
    child.kill("SIGHUP");
  }
}

function progress(samples: readonly Sample[], tally: Tally): string {
  const { time, processes, store } = samples.at(-1) as Sample;
  const each = (of: (holdings: Holdings) => number) => processes.map((holdings) => of(holdings).toFixed(1)).join(" ");
  const mib = (of: (holdings: Holdings) => number) => each((holdings) => of(holdings) / 2 ** 20);
  const faults = [...tally.faults.values()].reduce((sum, count) => sum + count, 0);
  return [
    `${(time / 60_000).toFixed(1)} min: ${tally.calls} calls, ${faults} faults`,
    `resident ${mib(({ resident }) => resident)}, heap ${mib(({ heap }) => heap)}`,
    `descriptors ${each(({ descriptors }) => descriptors)}, listeners ${each(({ listeners }) => listeners)}`,
    `Redis ${(store.memory / 2 ** 20).toFixed(1)} with ${countKeys(store)} keys`,
  ].join("; ");
}
