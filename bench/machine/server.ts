import { once } from "node:events";
import { processTree, residentBytes } from "./processor-time.ts";
import { type ScriptOptions, startScript, untilWritten } from "./script.ts";

/** A server that is measured, in a process of its own. */
export interface Server {
  readonly url: string;
  /** Its process and those that it has started. */
  readonly pids: readonly number[];
  readonly memory: () => number;
  /** Bytes that it puts on V8's heap while `work` runs, and what that answers. */
  heapUse<T>(work: () => Promise<T>): Promise<{ readonly bytes: number; readonly result: T }>;
  stop(): Promise<void>;
}

/** Starts a server and waits for its address. */
export async function startServer(options: ScriptOptions): Promise<Server> {
  const probe = new URL("probe.ts", import.meta.url).href;
  const child = startScript({ ...options, nodeOptions: ["--import", probe] });
  const url = await untilWritten(child, /serves on (http:\S+) /);
  const pids = processTree(child.pid as number);
  const ask = async (question: string): Promise<number> => {
    const answer = once(child, "message");
    child.send(question);
    return Number((await answer)[0]);
  };
  return {
    url,
    pids,
    memory: () => pids.reduce((sum, pid) => sum + residentBytes(pid), 0),
    async heapUse(work) {
      await ask("count");
      const result = await work();
      return { bytes: await ask("tell"), result };
    },
    async stop() {
      const exit = once(child, "exit");
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await exit;
    },
  };
}
