import { isatty } from "node:tty";
import { startApp } from "./app.ts";
import { readConfig } from "./config.ts";
import { explain } from "./explain.ts";
import { openLog } from "./log.ts";
import { welcome } from "./welcome.ts";
import { startWorkers } from "./workers/start-workers.ts";

try {
  const config = readConfig(process.env);
  const { log, end } = openLog(config.logLevel);
  const app = config.workers === 1 ? await startApp(config, log) : await startWorkers(config, log);
  let stopping = false;
  const stop = async (signal: string) => {
    // A terminal sends Ctrl-C to npm and to us, and npm passes it on: the second one means nothing.
    if (stopping) return;
    stopping = true;
    log.info({ signal }, "stopping");
    await app.close();
    log.info("stopped");
    await end();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  const hasTerminal = isatty(0);
  process.on("SIGHUP", (signal) => {
    if (!hasTerminal || isatty(0)) return app.reload();
    // The terminal has closed, and says so by the same signal: let it end us, as it ends all that runs in it.
    process.removeAllListeners(signal);
    return process.kill(process.pid, signal);
  });

  // Only now: whoever reads the address may send a signal at once.
  process.stdout.write(welcome(app, config));
  log.info({ url: app.url, ...(config.workers > 1 && { workers: config.workers }) }, "serving");
} catch (error) {
  process.stderr.write(`latchkey can't start: ${explain(error)}\n`);
  process.exit(1);
}
