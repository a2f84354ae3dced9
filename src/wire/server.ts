import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import type { Call } from "../call/call.ts";
import { TokenError } from "../errors.ts";
import { createMethods } from "./connect.ts";
import { createInFlight } from "./in-flight.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { createPort, type Port } from "./port.ts";
import { createReadiness, type Readiness } from "./readiness.ts";
import { createRoute } from "./route.ts";
import type { Tls } from "./tls.ts";
import { createUnaryLane } from "./unary-lane.ts";

/** Durations are milliseconds. */
export interface ServerOptions {
  /** Port 0: any that is free. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Unset: in the clear. */
  readonly tls?: Tls | undefined;
  /** Origins whose pages may call. `*` alone: all of them. */
  readonly corsOrigins: readonly string[];
  /** Headers that their requests may carry besides the usual ones. Default: none. */
  readonly corsHeaders?: readonly string[] | undefined;
  readonly call: Call;
  /** Asks the store whether it can serve now. */
  readonly isReady: () => Promise<boolean>;
  /** The JWK set that verifies the JWTs made here. */
  readonly publicKeys: () => object;
  readonly log: Logger;
  /** How long to go on serving after `close`, while load balancers learn that they shouldn't send more. Default: 0. */
  readonly drainDelay?: number | undefined;
  /** How long calls in flight may take to finish after that. Default: 8 s. */
  readonly drainTimeout?: number | undefined;
  readonly limits?: Partial<Limits> | undefined;
}

export interface RunningServer {
  readonly address: { readonly host: string; readonly port: number };
  readonly url: string;
  /** Finishes what is in flight, and frees the port. Repeated calls wait for the same end. */
  close(): Promise<void>;
}

const DRAIN_TIMEOUT_MS = 8000;
/** How long a call that was aborted has for its answer to get out. */
const LAST_WORDS_MS = 500;

/** Serves all protocols on one port. Rejects if it can't be bound. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { listen, tls, corsOrigins, corsHeaders = [], call, isReady, publicKeys, log } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const readiness = createReadiness(isReady);
  const shutdown = new AbortController();
  const inFlight = createInFlight(shutdown.signal);
  const methods = createMethods(call, readiness, limits, log);
  const route = createRoute({ methods, readiness, publicKeys, corsOrigins, corsHeaders, limits, inFlight, log });
  const takeUnary = createUnaryLane({ call, limits, inFlight, log });
  const port = createPort({ tls, limits, route, takeUnary, log });
  const bound = await port.listen(listen.host, listen.port);

  let closing: Promise<void> | undefined;
  const host = bound.family === "IPv6" ? `[${bound.address}]` : bound.address;
  return {
    address: { host: bound.address, port: bound.port },
    url: `${tls ? "https" : "http"}://${host}:${bound.port}`,
    close() {
      closing ??= drain(port, readiness, shutdown, options);
      return closing;
    },
  };
}

/** Step by step, from polite to not: nobody in flight is cut off early, and nobody who hangs holds the process. */
async function drain(
  port: Port,
  readiness: Readiness,
  shutdown: AbortController,
  { drainDelay = 0, drainTimeout = DRAIN_TIMEOUT_MS }: ServerOptions,
): Promise<void> {
  readiness.drain();
  if (drainDelay > 0) await delay(drainDelay);
  const closed = port.close();
  if (await settlesWithin(closed, drainTimeout)) return;
  shutdown.abort(new TokenError("SHUTTING_DOWN", "the server is shutting down", { retryDelay: 1000 }));
  if (await settlesWithin(closed, LAST_WORDS_MS)) return;
  port.destroy();
  await closed;
}

async function settlesWithin(work: Promise<void>, milliseconds: number): Promise<boolean> {
  const patience = new AbortController();
  const timeout = delay(milliseconds, false, { signal: patience.signal }).catch(() => false);
  const settled = await Promise.race([work.then(() => true), timeout]);
  patience.abort();
  return settled;
}
