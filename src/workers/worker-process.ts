import cluster, { type Worker } from "node:cluster";
import { join } from "node:path";
import type { KeysContent } from "../config/keys-file.ts";
import { watchHandover } from "./handover.ts";
import type { Assignment, Order, Report } from "./messages.ts";
import { WorkerFailure } from "./worker-failure.ts";

/** What became of a worker. */
export interface WorkerEnd {
  /** The signal that ended it, its exit code, or why it could not start. */
  readonly why: string;
  /** Milliseconds from its start. */
  readonly lived: number;
}

/** A worker, as the primary sees it. */
export class WorkerProcess {
  readonly number: number;
  readonly pid: number | undefined;
  /** Resolves when it has all that it needs to serve. Rejects with WorkerFailure if it ends before. */
  readonly ready: Promise<void>;
  /** Resolves with its URL when it serves. Rejects with WorkerFailure if it ends before. */
  readonly serving: Promise<string>;
  /** Never rejects. */
  readonly ended: Promise<WorkerEnd>;
  readonly #worker: Worker;
  #keysInUse = Promise.withResolvers<void>();
  #hasEnded = false;

  constructor(assignment: Assignment) {
    // In turn: connections of gRPC are few and long, and where the workers take them by themselves, some get nearly all of them.
    cluster.schedulingPolicy = cluster.SCHED_RR;
    cluster.setupPrimary({ exec: join(import.meta.dirname, "worker.ts"), serialization: "advanced" });
    const start = performance.now();
    this.#worker = cluster.fork();
    this.number = assignment.number;
    this.pid = this.#worker.process.pid;

    const ready = Promise.withResolvers<void>();
    const serving = Promise.withResolvers<string>();
    let reason: string | undefined;
    this.#worker.on("message", (message: Report) => {
      if (message.report === "ready") ready.resolve();
      else if (message.report === "serving") serving.resolve(message.url);
      else if (message.report === "keys-in-use") this.#keysInUse.resolve();
      else if (message.report === "failed") {
        reason = message.reason;
        this.kill();
      }
    });
    this.ready = ready.promise;
    this.serving = serving.promise;
    this.ended = this.#watchEnd().then((how) => ({ why: reason ?? how, lived: performance.now() - start }));
    this.ended.then(({ why }) => {
      this.#hasEnded = true;
      this.#keysInUse.resolve();
      const failure = new WorkerFailure(reason ?? `worker ${this.number} ended before it served: ${why}`);
      for (const { promise, reject } of [ready, serving]) {
        promise.catch(() => {});
        reject(failure);
      }
    });
    this.#tell({ order: "start", assignment });
  }

  /** Lets it take calls at this port; 0: the one that the other workers have, or any that is free. */
  listen(port: number): void {
    this.#tell({ order: "listen", port });
  }

  /** Resolves when it uses these keys, or has ended. */
  async useKeys(keys: KeysContent): Promise<void> {
    if (this.#hasEnded) return;
    // Not a race with `ended`: what waits for a promise that lasts stays in memory, each time.
    this.#keysInUse = Promise.withResolvers();
    this.#tell({ order: "use-keys", keys });
    await this.#keysInUse.promise;
  }

  /** Lets it finish what is under way, and end. */
  stop(): void {
    this.#tell({ order: "stop" });
  }

  kill(): void {
    this.#worker.process.kill("SIGKILL");
  }

  #tell(order: Order): void {
    // Whether it gets there shows in what the worker does: one that has ended needs no orders.
    if (this.#worker.isConnected()) this.#worker.send(order, () => {});
  }

  /** Resolves with an exit code or a signal. */
  #watchEnd(): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const closeHandover = watchHandover(this.#worker.process);
    this.#worker.once("exit", (code: number | null, signal: string | null) => {
      closeHandover();
      // Node takes the channel's end for the worker's, and doesn't always learn of it: it would go on to wait for the dead.
      this.#worker.disconnect();
      resolve(signal ?? `exit code ${code}`);
    });
    // Of a channel that leads to nobody any more, before that shows; or there was no process to be had, and none will exit.
    this.#worker.on("error", (error) => {
      if (this.pid === undefined) resolve(String(error));
    });
    return promise;
  }
}
