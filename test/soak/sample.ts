import { readdirSync, readFileSync } from "node:fs";
import type { Redis } from "ioredis";
import type { Inspector } from "./inspector.ts";

/** What a process of the service holds. Memory in bytes. */
export interface Holdings {
  /** Memory as the kernel sees it. */
  readonly resident: number;
  /** What is left of V8's heap when its garbage has been collected. */
  readonly heap: number;
  /** What lies outside of V8's heap: buffers, most of it. */
  readonly external: number;
  /** Open files and sockets. */
  readonly descriptors: number;
  /** Handles and timers that keep the process going. */
  readonly resources: number;
  /** Of the process and all its sockets and servers. */
  readonly listeners: number;
}

/** What a process holds that has nothing to do, down to each object that can be listened to. */
export interface RestingHoldings extends Holdings {
  /** Of all EventEmitters and EventTargets there are, abort signals among them. */
  readonly allListeners: number;
  /** How many of these there are. */
  readonly emitters: number;
  /** All that JavaScript can hold and that is more than a number or a text, functions included. */
  readonly objects: number;
}

/** What Redis holds. */
export interface StoreHoldings {
  /** Bytes. */
  readonly memory: number;
  readonly clients: number;
  /** By the beginning of their names, such as `lk:t`. */
  readonly keys: Readonly<Record<string, number>>;
}

/** The processes that a process has started. */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return text === "" ? [] : text.split(" ").map(Number);
}

const COUNT_LISTENERS = `function () {
  let listeners = 0;
  for (const emitter of this) for (const held of Object.values(emitter._events ?? {})) listeners += held?.length ?? 1;
  return { objects: this.length, listeners };
}`;

// A target keeps a chain of listeners for each type, and how long it is, under a symbol that is Node's own.
const COUNT_TARGETS = `function () {
  let listeners = 0;
  for (const target of this) {
    const events = Object.getOwnPropertySymbols(target).find((symbol) => symbol.description === 'kEvents');
    if (events && target[events]) for (const { size } of target[events].values()) listeners += size;
  }
  return { objects: this.length, listeners };
}`;

/** Lets a process collect its garbage when it is asked to, in the way that it does by itself: for some 30 ms. */
const PREPARE = `(() => {
  process.getBuiltinModule('node:v8').setFlagsFromString('--expose-gc');
  globalThis.collectGarbage = process.getBuiltinModule('node:vm').runInNewContext('gc');
})()`;

const MEASURE = `(() => {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  const count = (emitter) => Object.values(emitter._events ?? {}).reduce((sum, held) => sum + (held?.length ?? 1), 0);
  const listeners = process._getActiveHandles().reduce((sum, handle) => sum + count(handle), count(process));
  return { heap: heapUsed, external, resources: process.getActiveResourcesInfo().length, listeners };
})()`;

export async function prepareSamples({ evaluate }: Inspector): Promise<void> {
  await evaluate(PREPARE);
}

export async function sampleProcess({ pid, evaluate }: Inspector): Promise<Holdings> {
  const resident = residentOf(pid);
  const descriptors = readdirSync(`/proc/${pid}/fd`).length;
  return { resident, descriptors, ...(await evaluate<Omit<Holdings, "resident" | "descriptors">>(MEASURE)) };
}

/** Stops the process for about half a second: it goes through its whole heap. */
export async function sampleAtRest(inspector: Inspector): Promise<RestingHoldings> {
  const count = (prototype: string, how: string) => inspector.overInstances<Counted>(prototype, how);
  const emitters = await count("process.getBuiltinModule('node:events').prototype", COUNT_LISTENERS);
  const targets = await count("EventTarget.prototype", COUNT_TARGETS);
  const objects = await inspector.overInstances<number>("Object.prototype", "function () { return this.length; }");
  return {
    ...(await sampleProcess(inspector)),
    emitters: emitters.objects + targets.objects,
    allListeners: emitters.listeners + targets.listeners,
    objects,
  };
}

interface Counted {
  readonly objects: number;
  readonly listeners: number;
}

function residentOf(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1024;
}

/** Goes through all keys: for a store that is there for the soak alone. */
export async function sampleStore(redis: Redis): Promise<StoreHoldings> {
  const keys: Record<string, number> = {};
  let cursor = "0";
  do {
    const [next, names] = await redis.scan(cursor, "COUNT", 1000);
    for (const name of names) {
      const prefix = name.split(":", 2).join(":");
      keys[prefix] = (keys[prefix] ?? 0) + 1;
    }
    cursor = next;
  } while (cursor !== "0");
  const info = await redis.info();
  const figure = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1]);
  return { memory: figure("used_memory"), clients: figure("connected_clients"), keys };
}
