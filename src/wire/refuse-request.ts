import type { ConnectError } from "@connectrpc/connect";
import type { Logger } from "pino";
import { TokenError } from "../errors.ts";
import { toConnectError } from "./error-details.ts";

/** What the client of a request that can't be read is told. Logs it, because the pipeline never gets to see the request. */
export function refuseRequest(error: unknown, about: { method: string; address: string }, log: Logger): ConnectError {
  const reason = error instanceof TokenError ? error.reason : "INTERNAL";
  log.info({ ...about, reason }, "request refused");
  return toConnectError(error);
}
