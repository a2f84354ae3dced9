import { create, type DescMethod } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Logger } from "pino";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { type Code as CodeName, TokenError } from "../errors.ts";

type Details = ConnectError["details"];

const CODES: Record<CodeName, Code> = {
  CANCELLED: Code.Canceled,
  INVALID_ARGUMENT: Code.InvalidArgument,
  DEADLINE_EXCEEDED: Code.DeadlineExceeded,
  NOT_FOUND: Code.NotFound,
  ALREADY_EXISTS: Code.AlreadyExists,
  PERMISSION_DENIED: Code.PermissionDenied,
  RESOURCE_EXHAUSTED: Code.ResourceExhausted,
  FAILED_PRECONDITION: Code.FailedPrecondition,
  ABORTED: Code.Aborted,
  UNIMPLEMENTED: Code.Unimplemented,
  INTERNAL: Code.Internal,
  UNAVAILABLE: Code.Unavailable,
  UNAUTHENTICATED: Code.Unauthenticated,
};

/**
 * The one place where an error becomes what a client sees (AIP-193): code, message, exactly one ErrorInfo, and what else
 * applies. Whatever is not a TokenError answers INTERNAL, and nothing of it leaks.
 */
export function toConnectError(error: unknown): ConnectError {
  const tokenError = error instanceof TokenError ? error : new TokenError("INTERNAL", "internal error");
  const answer = new ConnectError(tokenError.message, CODES[tokenError.code]);
  answer.details = detailsOf(tokenError);
  return answer;
}

/** What the client is told of a call that the pipeline rejected. */
export function explainFailure(error: unknown, method: DescMethod, log: Logger): ConnectError {
  // Its message stays out of the log as well as out of the answer: nobody knows what it holds.
  if (!(error instanceof TokenError))
    log.error({ method: method.name, error: String(Object(error).name) }, "call broke its promise");
  return toConnectError(error);
}

function detailsOf(error: TokenError): Details {
  const details: Details = [
    { desc: ErrorInfoSchema, value: create(ErrorInfoSchema, { reason: error.reason, domain: "latchkey" }) },
  ];
  if (error.violations.length > 0) {
    const fieldViolations = error.violations.map(({ field, description }) => ({ field, description }));
    details.push({ desc: BadRequestSchema, value: create(BadRequestSchema, { fieldViolations }) });
  }
  if (error.retryDelay !== undefined) {
    const retryDelay = durationFromMs(error.retryDelay);
    details.push({ desc: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay }) });
  }
  return details;
}
