import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { join } from "node:path";
import type { KeysContent } from "../config/keys-file.ts";
import type { Assignment, Order, Report } from "./messages.ts";
import { WorkerFailure } from "./worker-failure.ts";

/** Why a worker has ended. */
export interface WorkerEnd {
  /** Its exit code, or the signal that ended it. */
  readonly how: number | string;
  /** Why it could not start, if it has said so. */
  readonly reason: string | undefined;
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
  #reason: string | undefined;

  constructor(assignment: Assignment) {
    // In turn: connections of gRPC are few and long, and where the workers take them by themselves, some get nearly all of them.
    cluster.schedulingPolicy = cluster.SCHED_RR;
    cluster.setupPrimary({ exec: join(import.meta.dirname, "worker.ts"), serialization: "advanced" });
    const start = performance.now();
    this.#worker = cluster.fork();
    this.number = assignment.number;
    this.pid = this.#worker.process.pid;
    this.ended = this.#watchEnd(start);

    const [ready, serving] = [Promise.withResolvers<void>(), Promise.withResolvers<string>()];
    this.#worker.on("message", (message: Report) => {
      if (message.report === "ready") ready.resolve();
      else if (message.report === "serving") serving.resolve(message.url);
      else if (message.report === "keys-in-use") this.#keysInUse.resolve();
      else if (message.report === "failed") this.#reason = message.reason;
    });
    this.ready = ready.promise;
    this.serving = serving.promise;
    this.ended.then(({ how, reason }) => {
      const failure = new WorkerFailure(reason ?? `worker ${this.number} ended with ${how} before it served`);
      for (const { promise, reject } of [ready, serving]) {
        promise.catch(() => {});
        reject(failure);
      }
    });
    this.#tell({ order: "start", assignment });
  }

  /** Lets it take calls. */
  listen(): void {
    this.#tell({ order: "listen" });
  }

  /** Resolves when it uses these keys, or has ended. */
  async useKeys(keys: KeysContent): Promise<void> {
    this.#keysInUse = Promise.withResolvers();
    this.#tell({ order: "use-keys", keys });
    await Promise.race([this.#keysInUse.promise, this.ended]);
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

  async #watchEnd(start: number): Promise<WorkerEnd> {
    // What it has said last is read when the channel closes, which may be after its exit.
    const gone = Promise.all([once(this.#worker, "exit"), once(this.#worker, "disconnect")]);
    const end = (how: number | string) => ({ how, reason: this.#reason, lived: performance.now() - start });
    try {
      const [[code, signal]] = await gone;
      return end(signal ?? code);
    } catch (error) {
      // There was no process to be had.
      this.kill();
      return end(String((error as NodeJS.ErrnoException).code));
    }
  }
}
