import { once } from "node:events";
import type { Job, Report } from "../load/job.ts";
import { startScript } from "./script.ts";

/** The process that makes the load. */
export interface Load {
  /** One job after the other; each ends before its time when `end` settles. Rejects if one answer was wrong, or none came. */
  run(job: Job, end?: Promise<unknown>): Promise<Report>;
  stop(): void;
}

type Answer = { readonly report: Report } | { readonly error: string };

export async function startLoad(core: string): Promise<Load> {
  const child = startScript({ file: "bench/load/main.ts", core });
  const gone = new Promise<Answer[]>((resolve) => {
    child.once("exit", () => resolve([{ error: "the process that makes the load is gone" }]));
  });
  return {
    async run(job, end) {
      const message = once(child, "message");
      child.send(job);
      const stop = () => void child.send("stop");
      end?.then(stop, stop);
      const [answer]: Answer[] = await Promise.race([message, gone]);
      if (!answer || "error" in answer) throw new Error(answer?.error);
      return requireRight(answer.report, job);
    },
    stop: () => child.kill(),
  };
}

function requireRight(report: Report, { target }: Job): Report {
  const { calls, faults, examples } = report;
  if (faults > 0)
    throw new Error(`${target.url}${target.path}: ${faults} wrong answers, such as: ${examples.join("; ")}`);
  if (calls === 0) throw new Error(`${target.url}${target.path}: no answer`);
  return report;
}
