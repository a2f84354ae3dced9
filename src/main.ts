import { pino } from "pino";
import { startApp } from "./app.ts";
import { ConfigError } from "./config/config-error.ts";
import { readConfig } from "./config.ts";
import { TokenError } from "./errors.ts";
import { welcome } from "./welcome.ts";

try {
  const config = readConfig(process.env);
  // Logs go to stderr, so that what is meant for people has stdout for itself.
  const log = pino({ level: config.logLevel }, pino.destination({ fd: 2, sync: true }));
  const app = await startApp(config, log);
  process.stdout.write(welcome(app, config));
  log.info({ url: app.url }, "serving");

  let stopping = false;
  const stop = async (signal: string) => {
    // A terminal sends Ctrl-C to npm and to us, and npm passes it on: the second one means nothing.
    if (stopping) return;
    stopping = true;
    log.info({ signal }, "stopping");
    await app.close();
    log.info("stopped");
    process.exit(0);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
} catch (error) {
  process.stderr.write(`latchkey can't start: ${explain(error)}\n`);
  process.exit(1);
}

function explain(error: unknown): string {
  if (error instanceof ConfigError || error instanceof TokenError) return error.message;
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  if (code === "EADDRINUSE")
    return `${error.message}; stop what listens there, or set LATCHKEY_LISTEN to another host:port`;
  return code === undefined ? (error.stack ?? error.message) : error.message;
}
