import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { isatty } from "node:tty";
import { pino } from "pino";
import { startApp } from "./app.ts";
import { readConfig } from "./config.ts";
import { explain } from "./explain.ts";
import { welcome } from "./welcome.ts";

try {
  const config = readConfig(process.env);
  // Logs go to stderr, so that what is meant for people has stdout for itself. They are written beside the work, and dropped
  // beyond a megabyte: who reads them slowly, or not at all, must not hold the service up.
  const lines = pino.destination({ fd: 2, sync: false, maxLength: 1024 * 1024 });
  const log = pino({ level: config.logLevel }, lines);
  const app = await startApp(config, log);
  let stopping = false;
  const stop = async (signal: string) => {
    // A terminal sends Ctrl-C to npm and to us, and npm passes it on: the second one means nothing.
    if (stopping) return;
    stopping = true;
    log.info({ signal }, "stopping");
    await app.close();
    log.info("stopped");
    const written = once(lines, "close").then(() => true);
    lines.end();
    if (await Promise.race([written, setTimeout(500, false)])) process.exit(0);
    // All is done and closed, but a thread still writes to a log that nobody reads: `exit` would wait for it for ever.
    process.kill(process.pid, "SIGKILL");
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
  log.info({ url: app.url }, "serving");
} catch (error) {
  process.stderr.write(`latchkey can't start: ${explain(error)}\n`);
  process.exit(1);
}
