import { create, type DescMethodUnary, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import type { Logger } from "pino";
import { authorize } from "../auth/permissions.ts";
import type { Caller } from "../domain/caller.ts";
import { TokenError } from "../errors.ts";
import type { Handlers } from "../service/token-service.ts";
import type { Call, CallRequest, Metadata, Peer } from "./call.ts";
import { logCall } from "./log-call.ts";
import { createRequestValidator } from "./validate.ts";

type Handler = (
  caller: Caller,
  request: Message,
  signal: AbortSignal,
) => Promise<MessageInitShape<DescMethodUnary["output"]>>;

interface PipelineOptions {
  readonly authenticate: (metadata: Metadata, peer: Peer) => Promise<Caller>;
  readonly handlers: Handlers;
  readonly log: Logger;
}

/** Builds the one way that every request of every protocol goes. */
export function createCall({ authenticate, handlers, log }: PipelineOptions): Call {
  const validate = createRequestValidator();

  return async (request) => {
    const entry = { request, start: performance.now(), caller: undefined as Caller | undefined };
    try {
      const response = await untilAborted(run(request, entry), request.signal);
      logCall(log, entry);
      return response;
    } catch (thrown) {
      const error = toTokenError(thrown);
      logCall(log, { ...entry, error });
      throw error;
    }
  };

  async function run(request: CallRequest, entry: { caller: Caller | undefined }): Promise<Message> {
    const { method, message, signal } = request;
    const caller = await authenticate(request.metadata, request.peer);
    entry.caller = caller;
    authorize(caller, method.name);
    validate(method.input, message);
    if (signal.aborted) throw abortError(signal.reason);
    // The table of permissions has let only methods of the service through, and the wire has parsed its input type.
    const handle = handlers[method.localName as keyof Handlers] as Handler;
    return create(method.output, await handle(caller, message, signal));
  }
}

/** Gives up waiting when the signal aborts. The work itself may still come to its end. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(abortError(signal.reason));
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

function abortError(reason: unknown): TokenError {
  if (reason instanceof TokenError) return reason;
  if (reason instanceof DOMException && reason.name === "TimeoutError") {
    return new TokenError("DEADLINE_EXCEEDED", "the deadline passed before the call was done");
  }
  return new TokenError("CANCELLED", "the caller left before the call was done");
}

function toTokenError(thrown: unknown): TokenError {
  return thrown instanceof TokenError ? thrown : new TokenError("INTERNAL", "internal error", { cause: thrown });
}
