import { ConfigError } from "./config/config-error.ts";
import { TokenError } from "./errors.ts";
import { WorkerFailure } from "./workers/worker-failure.ts";

/** Why a program can't go on, for the person who started it. */
export function explain(error: unknown): string {
  if (error instanceof ConfigError || error instanceof WorkerFailure) return error.message;
  if (error instanceof TokenError)
    return [error, error.cause]
      .filter((part) => part instanceof Error)
      .map((part) => part.message)
      .join(": ");
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  if (code === "EADDRINUSE")
    return `${error.message}; stop what listens there, or set LATCHKEY_LISTEN to another host:port`;
  return code === undefined ? (error.stack ?? error.message) : error.message;
}
