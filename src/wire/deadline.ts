import type { EventEmitter } from "node:events";
import { TokenError } from "../errors.ts";
import type { InFlight } from "./in-flight.ts";
import type { Limits } from "./limits.ts";
import type { HeaderOf } from "./request.ts";

const GRPC_UNITS: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** The headers that carry a deadline. */
export const TIMEOUT_HEADERS = ["grpc-timeout", "connect-timeout-ms"] as const;

/** For how many milliseconds the client waits: undefined if it does not say, NaN if that can't be read. */
export function readTimeout(header: HeaderOf): number | undefined {
  const grpc = header("grpc-timeout");
  if (grpc !== undefined) return parseGrpcTimeout(grpc);
  const connect = header("connect-timeout-ms");
  return connect === undefined ? undefined : parseConnectTimeout(connect);
}

/** How many milliseconds a unary call gets whose client waits for `asked`, as of `readTimeout`. */
export function unaryTimeout(asked: number | undefined, { defaultTimeout, maxTimeout }: Limits): number {
  return asked === undefined || Number.isNaN(asked) ? defaultTimeout : Math.min(asked, maxTimeout);
}

function parseGrpcTimeout(text: string): number {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  return Number(digits) * (GRPC_UNITS[unit ?? ""] ?? Number.NaN);
}

function parseConnectTimeout(text: string): number {
  return /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
}

/**
 * A signal that aborts with a TokenError when the call must end: its time is over, the server goes down, or the client
 * has left (`exchange`, the response or the stream, is closed).
 */
export function limitCall(exchange: EventEmitter, timeout: number, inFlight: InFlight): AbortSignal {
  const controller = new AbortController();
  const call = { place: -1, deadline: 0, end: (reason: TokenError) => controller.abort(reason) };
  inFlight.add(call, timeout);
  exchange.once("close", () => {
    inFlight.delete(call);
    call.end(new TokenError("CANCELLED", "the caller left"));
  });
  return controller.signal;
}
