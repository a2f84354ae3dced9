import type { DescMethod, DescMethodUnary } from "@bufbuild/protobuf";
import type { Logger } from "pino";
import { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import type { Answer, Call, CallRequest } from "../call/call.ts";
import { TokenError } from "../errors.ts";
import { toConnectError } from "./error-details.ts";

/** The methods that go through the pipeline. */
export const unaryMethods: readonly DescMethodUnary[] = TokenService.methods.filter(isUnary);

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === "unary";
}

/** Runs a request through the pipeline. Rejects with what the client is to be told, and nothing else. */
export async function runCall(call: Call, request: CallRequest, log: Logger): Promise<Answer> {
  try {
    return await call(request);
  } catch (error) {
    // Its message stays out of the log as well as out of the answer: nobody knows what it holds.
    if (!(error instanceof TokenError))
      log.error({ method: request.method.name, error: String(Object(error).name) }, "call broke its promise");
    throw toConnectError(error);
  }
}
