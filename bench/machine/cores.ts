import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Who runs where, so that nobody takes the measured server's core. */
export interface Cores {
  readonly server: string;
  readonly redis: string;
  readonly load: string;
}

/**
 * The measured server has the first core for itself. With two cores, Redis and the load share the other one: both together take
 * less than a whole core where the server takes all of its own, and the results say so if not.
 */
export function chooseCores([server, redis, load = redis] = allowedCores()): Cores {
  if (server === undefined || redis === undefined || load === undefined)
    throw new Error("the benchmark needs two cores: one for the measured server, one for all else");
  return { server, redis, load };
}

/** The numbers of the cores that this process may use. */
function allowedCores(): string[] {
  const [, list = ""] = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync("/proc/self/status", "latin1")) ?? [];
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, offset) => String(first + offset));
  });
}

/** A command, kept to a core. */
export function pinned(core: string, command: string, words: readonly string[]): [string, string[]] {
  return ["taskset", ["--cpu-list", core, command, ...words]];
}

/** Keeps a process that runs already to a core, with all its threads. */
export function pin(core: string, pid: number): void {
  execFileSync("taskset", ["--all-tasks", "--cpu-list", "--pid", core, String(pid)], { stdio: "ignore" });
}
