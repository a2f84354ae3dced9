import type { Job } from "./job.ts";
import { runJob } from "./run-job.ts";

// A process of its own, so that making the load does not cost the measured server its core.
let stop = new AbortController();

process.on("message", (message: Job | "stop") => {
  if (message === "stop") return stop.abort();
  stop = new AbortController();
  runJob(message, stop.signal).then(
    (report) => process.send?.({ report }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.stack : String(error) }),
  );
});
