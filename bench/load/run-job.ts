import { randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { processorSeconds } from "../machine/processor-time.ts";
import { createCheck } from "./check-answer.ts";
import type { Answer, Connection, Exchange } from "./connection.ts";
import { openHttp1 } from "./http1-connection.ts";
import { openHttp2 } from "./http2-connection.ts";
import type { Job, Report, Target } from "./job.ts";
import { type KeyTable, readKeys } from "./keys.ts";
import { createMessages } from "./messages.ts";
import { collectTimes } from "./percentiles.ts";
import { createRandom } from "./picks.ts";

const MAX_EXAMPLES = 3;
/** Each job begins with other picks than the one before. */
const PICKS_APART = 1_000_000;
/** Milliseconds to wait for the last answers of a steady rate. */
const PATIENCE = 60_000;
/** A timer is late by about a millisecond, so waiting shorter than that is done by looking at the clock. */
const TIMER_MS = 2;

const tables = new Map<string, KeyTable>();

/** Makes the load of a job, looks at every answer, and leaves in the middle of it all when the time is over. */
export async function runJob(job: Job, stop?: AbortSignal): Promise<Report> {
  const { target, pace } = job;
  const keys = keysOf(target);
  const check = createCheck(target.expect, keys, target.keysPerCall);
  const times = collectTimes();
  const free: Connection[] = [];
  const late: Exchange[] = [];
  const examples: string[] = [];
  let [calls, faults, nextPick, open] = [0, 0, randomInt(PICKS_APART), 0];
  let isCounting = false;
  let isOver = false;

  const next = (due: number): Exchange => {
    const pick = nextPick;
    nextPick += target.keysPerCall;
    return { pick, due };
  };

  const onAnswer = (connection: Connection, { pick, due }: Exchange, answer: Answer) => {
    const now = performance.now();
    open--;
    const fault = "fault" in answer ? answer.fault : check(answer.message, pick);
    if (fault !== undefined) {
      faults++;
      if (examples.length < MAX_EXAMPLES) examples.push(fault);
    } else if (pace.type === "closed" ? isCounting : due >= clock.start && due < clock.stop) {
      calls++;
      times.add((now - due) * 1000);
    }
    if (isOver) return;
    const waiting = pace.type === "closed" ? next(now) : late.shift();
    if (waiting) send(connection, waiting);
    else free.push(connection);
  };

  const send = (connection: Connection, exchange: Exchange) => {
    open++;
    connection.call(exchange);
  };

  const connections = openConnections(target, keys, onAnswer);
  for (let slot = 0; slot < target.depth; slot++) free.push(...connections);
  const start = performance.now() + job.warmUp * 1000;
  const clock = { start, stop: start + job.seconds * 1000 };
  const stopNow = () => {
    clock.stop = Math.min(clock.stop, performance.now());
  };
  stop?.addEventListener("abort", stopNow);
  const load = pace.type === "closed" ? startClosed() : keepRate(pace.rate);

  function startClosed(): undefined {
    for (const connection of free.splice(0)) send(connection, next(performance.now()));
    for (const connection of connections) connection.flush();
  }

  /** Calls come like those of independent callers: at random moments, and they don't wait for a slow server. */
  async function keepRate(rate: number): Promise<void> {
    const random = createRandom(nextPick);
    const gap = () => (-Math.log(1 - random()) * 1000) / rate;
    let due = performance.now() + gap();
    while (due < clock.stop) {
      for (const now = performance.now(); due <= now && due < clock.stop; due += gap()) {
        const connection = free.shift();
        if (connection) send(connection, next(due));
        else late.push(next(due));
      }
      for (const connection of connections) connection.flush();
      if (due - performance.now() > TIMER_MS) await delay(1);
      else await new Promise((resolve) => setImmediate(resolve));
    }
  }

  await until(clock.start);
  const before = readClocks(job);
  isCounting = true;
  await until(clock.stop, stop).catch(() => {});
  isCounting = false;
  const after = readClocks(job);
  await load;
  if (pace.type === "open") await settle(() => open + late.length);
  isOver = true;
  const abandoned = connections.reduce((sum, connection) => sum + connection.underWay, connections.length);
  for (const connection of connections) connection.leave();
  return {
    calls,
    faults,
    examples,
    seconds: after.time - before.time,
    latency: times.spread(),
    cpu: after.watched.map((seconds, index) => seconds - (before.watched[index] ?? 0)),
    ownCpu: after.own - before.own,
    abandoned,
  };
}

function keysOf({ keys }: Target): KeyTable {
  const table = tables.get(keys.path) ?? readKeys(keys);
  tables.set(keys.path, table);
  return table;
}

function openConnections(
  target: Target,
  keys: KeyTable,
  onAnswer: (connection: Connection, exchange: Exchange, answer: Answer) => void,
): Connection[] {
  const grpc = target.protocol === "grpc";
  const [before, after] = [Buffer.from(target.before, "base64"), Buffer.from(target.after, "base64")];
  const messages = createMessages(keys, { before, after, keysPerCall: target.keysPerCall, framed: grpc });
  const open = target.protocol === "http1" ? openHttp1 : openHttp2;
  const options = { url: new URL(target.url), path: target.path, headers: target.headers, messages, grpc, onAnswer };
  return Array.from({ length: target.connections }, () =>
    open({ ...options, onRead: (connection) => connection.flush() }),
  );
}

async function until(time: number, stop?: AbortSignal): Promise<void> {
  await delay(Math.max(1, time - performance.now()), undefined, stop && { signal: stop });
}

function readClocks({ watch }: Job) {
  const { user, system } = process.cpuUsage();
  return { time: performance.now() / 1000, watched: watch.map(processorSeconds), own: (user + system) / 1e6 };
}

/** Waits for the last answers. */
async function settle(underWay: () => number): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  while (underWay() > 0) {
    if (performance.now() > deadline) throw new Error(`${underWay()} calls got no answer in a minute`);
    await delay(5);
  }
}
