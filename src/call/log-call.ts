import type { Logger } from "pino";
import type { Caller } from "../domain/caller.ts";
import type { TokenError } from "../errors.ts";
import type { CallRequest } from "./call.ts";

interface CallEntry {
  readonly request: CallRequest;
  /** `performance.now()` at the beginning. */
  readonly start: number;
  readonly caller: Caller | undefined;
  readonly error?: TokenError;
}

/**
 * One line a call: what was called, by whom, how it ended; never a request, an answer or a header, which may hold secrets.
 * Successes are `debug`, errors of the caller `info`, our own `error` with their cause.
 */
export function logCall(log: Logger, { request, start, caller, error }: CallEntry): void {
  const level = error === undefined ? "debug" : isOurs(error) ? "error" : "info";
  if (!log.isLevelEnabled(level)) return;
  log[level](
    {
      method: request.method.name,
      protocol: request.peer.protocol,
      address: request.peer.address,
      ...(caller && {
        tenant: caller.tenant,
        subject: caller.subject,
        credential: caller.credential,
        tokenId: caller.token?.id,
      }),
      code: error?.code ?? "OK",
      ...(error && { reason: error.reason }),
      ...(error?.cause !== undefined && { cause: describeCause(error) }),
      ms: Math.round((performance.now() - start) * 100) / 100,
    },
    "call",
  );
}

function isOurs(error: TokenError): boolean {
  return error.code === "INTERNAL" || error.code === "UNAVAILABLE";
}

/**
 * What the layers below give as a cause is fit for a log. An unknown fault is not: nobody knows what its message holds, so
 * only its name and where it came from are told.
 */
function describeCause(error: TokenError): string {
  const { cause } = error;
  if (error.reason !== "INTERNAL") return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  if (!(cause instanceof Error)) return typeof cause;
  const frames = cause.stack?.split("\n").filter((line) => /^ +at /.test(line)) ?? [];
  return [cause.name, ...frames].join("\n");
}
