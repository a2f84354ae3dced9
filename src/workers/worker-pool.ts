import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import type { KeysContent } from "../config/keys-file.ts";
import type { Config } from "../config.ts";
import type { Assignment } from "./messages.ts";
import { WorkerProcess } from "./worker-process.ts";

/** A worker that ends within so many milliseconds from its start makes the next one wait. */
const STEADY = 10_000;
/** How long the next one waits at first, and at most, in milliseconds: each failure doubles it. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5000;
/** How many milliseconds a worker has to end, beyond the drain delay, before it is killed. */
export const END_TIMEOUT = 9500;

/** Processes that serve on one port. One that ends is replaced. */
export class WorkerPool {
  readonly #log: Logger;
  readonly #rootDigest: Uint8Array;
  readonly #workers = new Set<WorkerProcess>();
  /** Those of them that have the port. */
  readonly #serving = new Set<WorkerProcess>();
  readonly #closing = new AbortController();
  readonly #config: Config;
  #port: number;
  #keys: KeysContent;
  #url = "";
  #closed: Promise<void> | undefined;

  constructor({ config, keys, rootDigest }: Omit<Assignment, "number">, log: Logger) {
    this.#config = config;
    this.#port = config.listen.port;
    this.#keys = keys;
    this.#rootDigest = rootDigest;
    this.#log = log;
  }

  /**
   * Resolves with the URL when all workers serve. They begin to listen at the same moment, so that none gets the connections of
   * all who wait for the port.
   *
   * @throws WorkerFailure if one of them can't; then none is left.
   */
  async start(): Promise<string> {
    const workers = Array.from({ length: this.#config.workers }, (_, index) => this.#fork(index + 1));
    try {
      await Promise.all(workers.map(({ ready }) => ready));
      for (const worker of workers) worker.listen(this.#port);
      [this.#url = ""] = await Promise.all(workers.map(({ serving }) => serving));
      for (const worker of workers) {
        this.#serving.add(worker);
        void this.#keepFilled(worker);
      }
      return this.#url;
    } catch (error) {
      for (const worker of workers) worker.kill();
      await Promise.all(workers.map(({ ended }) => ended));
      throw error;
    }
  }

  /** Resolves when all workers use these keys, those included that come later. */
  async useKeys(keys: KeysContent): Promise<void> {
    this.#keys = keys;
    await Promise.all([...this.#workers].map((worker) => worker.useKeys(keys)));
  }

  /** Lets all workers finish what is under way, and resolves when they have ended. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    for (const worker of this.#workers) worker.stop();
    const timer = setTimeout(() => this.#killAll(), this.#config.drainDelay + END_TIMEOUT);
    await Promise.all([...this.#workers].map(({ ended }) => ended));
    clearTimeout(timer);
  }

  #killAll(): void {
    for (const worker of this.#workers) {
      this.#log.error({ number: worker.number, workerPid: worker.pid }, "a worker did not end in time: killed");
      worker.kill();
    }
  }

  #fork(number: number): WorkerProcess {
    const worker = new WorkerProcess({
      number,
      config: this.#config,
      keys: this.#keys,
      rootDigest: this.#rootDigest,
    });
    this.#workers.add(worker);
    worker.ended.then(() => {
      this.#workers.delete(worker);
      this.#serving.delete(worker);
    });
    return worker;
  }

  /** Has another worker in the place of one that ends, again and again, until the pool closes. */
  async #keepFilled(first: WorkerProcess): Promise<void> {
    for (let worker = first, failures = 0; ; worker = this.#fork(first.number), this.#bringUp(worker)) {
      const { why, lived } = await worker.ended;
      if (this.#closing.signal.aborted) return;
      failures = lived < STEADY ? failures + 1 : 1;
      const pause = failures === 1 ? 0 : Math.min(FIRST_PAUSE * 2 ** (failures - 2), LONGEST_PAUSE);
      this.#log.error(
        { number: worker.number, workerPid: worker.pid, why, pause },
        "a worker has ended: another one takes its place",
      );
      await delay(pause, undefined, { signal: this.#closing.signal }).catch(() => {});
      if (this.#closing.signal.aborted) return;
    }
  }

  async #bringUp(worker: WorkerProcess): Promise<void> {
    try {
      await worker.ready;
      // Where any port will do, Node gives all workers the same one, but only as long as there are some that have it.
      if (this.#serving.size === 0) this.#port = Number(new URL(this.#url).port) || this.#port;
      worker.listen(this.#port);
      const isElsewhere = (await worker.serving) !== this.#url;
      if (isElsewhere) return worker.kill();
      this.#serving.add(worker);
    } catch {
      // It has ended, which is seen to where its place is kept filled.
    }
  }
}
