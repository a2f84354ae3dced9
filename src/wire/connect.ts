import { createConnectRouter, createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import type { Logger } from "pino";
import { Health } from "#gen/grpc/health/v1/health_pb.ts";
import { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import type { Call, CallRequest } from "../call/call.ts";
import { explainFailure } from "./error-details.ts";
import { createHealth } from "./health.ts";
import { type Limits, messageBytes } from "./limits.ts";
import type { Readiness } from "./readiness.ts";
import { addReflection } from "./reflection.ts";
import { describePeer, readMetadata } from "./request.ts";
import { unaryMethods } from "./unary-methods.ts";

/** The methods that the server has, by path: `/latchkey.v1.TokenService/Create` and so on. */
export type Methods = ReadonlyMap<string, UniversalHandler>;

/** What the call pipeline needs of a request, and Connect does not carry. */
export type Origin = Pick<CallRequest, "metadata" | "peer">;

export const originKey = createContextKey<Origin>({
  metadata: readMetadata([]),
  peer: describePeer(undefined, ""),
});

/** Every method of the TokenService, through the one pipeline; beside it health and reflection, which ask for no credentials. */
export function createMethods(call: Call, readiness: Readiness, limits: Limits, log: Logger): Methods {
  const router = createConnectRouter({
    acceptCompression: [],
    readMaxBytes: limits.messageBytes,
    // A person who reads JSON should see `"active": false` and an empty list, and not nothing.
    jsonOptions: { alwaysEmitImplicit: true },
  });
  for (const method of unaryMethods) {
    const handle = (message: CallRequest["message"], { signal, values }: HandlerContext) =>
      call({ method, message, signal, ...values.get(originKey) }).catch((error: unknown) => {
        throw explainFailure(error, method, log);
      });
    router.rpc(method, handle, { readMaxBytes: messageBytes(limits, method) });
  }
  router.service(Health, createHealth(readiness));
  addReflection(router, [TokenService, Health]);
  return new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
}
