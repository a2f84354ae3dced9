import cluster from "node:cluster";
import { toKeyRing } from "../config/keys-file.ts";
import { requireSameKeys } from "../config/live-keys.ts";
import { reportStore } from "../config/store-health.ts";
import { systemClock } from "../domain/clock.ts";
import type { KeyRing } from "../domain/keys.ts";
import { explain } from "../explain.ts";
import { openLog, type ProcessLog } from "../log.ts";
import { serve } from "../serve.ts";
import { openStore } from "../store/open-store.ts";
import type { Assignment, Order, Report } from "./messages.ts";

// The program of a worker: it serves as the primary says, and no longer than there is one.

const mayListen = Promise.withResolvers<number>();
let keys: { ring: KeyRing };
let output: ProcessLog | undefined;
let running: AsyncDisposableStack | undefined;
let stopping = false;

// A terminal sends Ctrl-C to all of its processes, and some supervisors do so with every signal. The primary takes them for all.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => {});

process.on("message", (order: Order) => {
  if (order.order === "start") void start(order.assignment);
  else if (order.order === "listen") mayListen.resolve(order.port);
  else if (order.order === "use-keys") useKeys(order.keys);
  else if (order.order === "stop") void stop();
});

cluster.worker?.once("disconnect", () => {
  // Or Node would end the process here and now, with all calls that are under way.
  if (cluster.worker) cluster.worker.exitedAfterDisconnect = true;
  if (!stopping) output?.log.error("the primary process is gone: stopping");
  void stop();
});

async function start({ number, config, keys: content, rootDigest }: Assignment): Promise<void> {
  output = openLog(config.logLevel, number);
  try {
    await using opened = new AsyncDisposableStack();
    keys = { ring: toKeyRing(content) };
    const listener = reportStore(output.log);
    const store = await openStore(config.store.location, { ...config.store, clock: systemClock, listener });
    opened.defer(() => store.close());
    await requireSameKeys(store, config.keysPath, keys.ring, false);
    tell({ report: "ready" });
    const listen = { ...config.listen, port: await mayListen.promise };
    const { url, close } = await serve({ ...config, listen }, { store, keys, rootDigest }, output.log);
    opened.defer(close);
    running = opened.move();
    output.log.info({ url }, "serving");
    tell({ report: "serving", url });
  } catch (error) {
    // The primary has it killed once it has read this.
    tell({ report: "failed", reason: explain(error) });
  }
}

function useKeys(content: Parameters<typeof toKeyRing>[0]): void {
  keys.ring = toKeyRing(content);
  tell({ report: "keys-in-use" });
}

/** Finishes what is under way, and ends the process. */
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  await running?.disposeAsync();
  if (output) await output.end();
  else process.exit(0);
}

function tell(report: Report): void {
  process.send?.(report, undefined, undefined, () => {});
}
