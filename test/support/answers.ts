import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { InactiveReasonSchema, type IntrospectResponse } from "#gen/latchkey/v1/token_service_pb.ts";

/** `ACTIVE`, or why not. */
export function verdictOf({ active, reason }: Pick<IntrospectResponse, "active" | "reason">): string {
  return active ? "ACTIVE" : (InactiveReasonSchema.value[reason]?.localName ?? "");
}

/** Code and reason, for example `NotFound TOKEN_NOT_FOUND`. Of an error that has no reason, its message. */
export function nameFailure(error: unknown): string {
  const failure = ConnectError.from(error);
  const [info] = failure.findDetails(ErrorInfoSchema);
  return `${Code[failure.code]} ${info?.reason ?? failure.rawMessage}`;
}
