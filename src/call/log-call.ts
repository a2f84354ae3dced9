import type { Logger } from "pino";
import type { Caller } from "../domain/caller.ts";
import type { Reason, TokenError } from "../errors.ts";
import type { CallRequest } from "./call.ts";

type Level = "debug" | "info" | "error";

interface CallEntry {
  readonly request: CallRequest;
  /** `performance.now()` at the beginning. */
  readonly start: number;
  readonly caller: Caller | undefined;
  readonly error?: TokenError;
}

/** Writes the line of a call. */
export type CallLog = (entry: CallEntry) => void;

/** For so many milliseconds a reason to answer UNAVAILABLE is told once: it is one trouble, however many calls it meets. */
const QUIET = 10_000;

/**
 * One line a call: what was called, by whom, how it ended; never a request, an answer or a header, which may hold secrets.
 * Successes are `debug`, errors of the caller `info`, our own `error` with their cause; where many are UNAVAILABLE for the same
 * reason, one in ten seconds is, with the number of those before it that were not, and the others `debug`.
 */
export function createCallLog(log: Logger): CallLog {
  const told = new Map<Reason, { until: number; untold: number }>();

  /** How many were not told before this one; undefined if this one isn't, either. */
  const countUntold = ({ reason }: TokenError): number | undefined => {
    const now = performance.now();
    const before = told.get(reason);
    if (before && now < before.until) {
      before.untold++;
      return undefined;
    }
    told.set(reason, { until: now + QUIET, untold: 0 });
    return before?.untold ?? 0;
  };

  return (entry) => {
    const { error } = entry;
    if (error?.code !== "UNAVAILABLE") return writeLine(log, error === undefined ? "debug" : levelOf(error), entry);
    const untold = countUntold(error);
    writeLine(log, untold === undefined ? "debug" : "error", entry, untold);
  };
}

function levelOf({ code }: TokenError): Level {
  return code === "INTERNAL" ? "error" : "info";
}

function writeLine(
  log: Logger,
  level: Level,
  { request, start, caller, error }: CallEntry,
  untold: number | undefined = 0,
): void {
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
      ...(untold > 0 && { untold }),
      ...(error?.cause !== undefined && { cause: describeCause(error) }),
      ms: Math.round((performance.now() - start) * 100) / 100,
    },
    "call",
  );
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
