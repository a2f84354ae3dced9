import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, vi } from "vitest";
import { type ServiceProcess, spawnCommand, spawnService, untilServing } from "../support/process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { createServiceClient, ROOT_TOKEN } from "../support/service.ts";

// Most of it goes by until so many processes have started.
vi.setConfig({ testTimeout: 60_000 });

export interface LogLine {
  readonly pid: number;
  readonly worker?: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A Latchkey of several processes on a Redis of its own. Both end with the test. */
export class Cluster {
  readonly folder: string;
  readonly redis: RedisServer;
  readonly process: ServiceProcess;
  readonly url: string;

  private constructor(folder: string, redis: RedisServer, process: ServiceProcess, url: string) {
    this.folder = folder;
    this.redis = redis;
    this.process = process;
    this.url = url;
  }

  /** @param run how it is started: `spawnCluster` unless told otherwise. */
  static async start(variables: Record<string, string> = {}, run = spawnCluster): Promise<Cluster> {
    const redis = await startRedis({ config: { appendonly: "yes" } });
    onTestFinished(() => redis.stop());
    const folder = makeFolder();
    const process = run(folder, redis.url, variables);
    const cluster = new Cluster(folder, redis, process, await untilServing(process));
    // The log may be a moment later than what is printed.
    await cluster.until(() => expect(cluster.pids().size).toBe(Number(variables.LATCHKEY_WORKERS ?? 2)));
    await cluster.until(() => expect(cluster.linesOf("serving").some(({ worker }) => worker === undefined)).toBe(true));
    return cluster;
  }

  /** All that was logged, each line whole. */
  lines(): LogLine[] {
    const whole = this.process.stderr().split("\n").slice(0, -1);
    return whole.map((line) => JSON.parse(line));
  }

  linesOf(msg: string): LogLine[] {
    return this.lines().filter((line) => line.msg === msg);
  }

  /** The process ids of the workers that came last, by number. */
  pids(): Map<number, number> {
    return new Map(this.linesOf("serving").flatMap(({ worker, pid }) => (worker === undefined ? [] : [[worker, pid]])));
  }

  pidOf(worker: number): number {
    return this.pids().get(worker) as number;
  }

  async until(check: () => unknown, timeout = 15_000): Promise<void> {
    await vi.waitFor(check, { timeout, interval: 10 });
  }

  /** Waits until another process serves in the place of this one. */
  async untilReplaced(worker: number, pid: number): Promise<void> {
    await this.until(() => expect(this.pidOf(worker)).not.toBe(pid));
  }

  /** A client with a connection of its own. */
  client(token = ROOT_TOKEN) {
    return createServiceClient(this.url, token);
  }

  /** Clients with a connection each, among which every worker has `each`: connections are given out in turn. */
  clients(each: number, workers: number) {
    return Array.from({ length: each * workers }, () => this.client());
  }
}

export function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-workers-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Two workers unless told otherwise. */
export function spawnCluster(folder: string, store: string, variables: Record<string, string> = {}): ServiceProcess {
  const service = spawnService({ ...settings(store), ...variables }, folder);
  onTestFinished(service.destroy);
  return service;
}

/** The same with its log in a pipe. What Node gives its children for stderr is none, but a socket. */
export function spawnPiped(folder: string, store: string, variables: Record<string, string> = {}): ServiceProcess {
  const command = `exec "${process.execPath}" "${join(import.meta.dirname, "../../src/main.ts")}" 2> >(exec cat >&2)`;
  const service = spawnCommand("bash", ["-c", command], { ...settings(store), ...variables }, folder);
  onTestFinished(service.destroy);
  return service;
}

const settings = (store: string) => ({
  LATCHKEY_LISTEN: "127.0.0.1:0",
  LATCHKEY_STORE: store,
  LATCHKEY_WORKERS: "2",
  LATCHKEY_ROOT_TOKEN: ROOT_TOKEN,
  LATCHKEY_LOG: "debug",
});

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
