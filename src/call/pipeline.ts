import type { Logger } from "pino";
import { anonymous, authorize, needsNoCredentials } from "../auth/permissions.ts";
import type { Caller } from "../domain/caller.ts";
import { TokenError } from "../errors.ts";
import type { Handlers } from "../service/token-service.ts";
import type { Answer, Call, CallRequest, CallSignal, Metadata, Peer } from "./call.ts";
import { createCallLog } from "./log-call.ts";
import { raceAbort } from "./race-abort.ts";
import { createRequestValidator } from "./validate.ts";

type Handler = (caller: Caller, request: never, signal: CallSignal) => Promise<Answer>;

interface PipelineOptions {
  /** @param method the name as in the proto. */
  readonly authenticate: (metadata: Metadata, peer: Peer, method: string) => Caller | Promise<Caller>;
  readonly handlers: Handlers;
  readonly log: Logger;
}

/** Builds the one way that every request of every protocol goes. */
export function createCall({ authenticate, handlers, log }: PipelineOptions): Call {
  const validate = createRequestValidator();
  const logCall = createCallLog(log);

  return async (request) => {
    const entry = { request, start: performance.now(), caller: undefined as Caller | undefined };
    try {
      const response = await raceAbort(run(request, entry), request.signal);
      logCall(entry);
      return response;
    } catch (thrown) {
      const error = toTokenError(thrown, request.signal);
      logCall({ ...entry, error });
      throw error;
    }
  };

  async function run(request: CallRequest, entry: { caller: Caller | undefined }): Promise<Answer> {
    const { method, message, signal } = request;
    const { name } = method;
    const found = needsNoCredentials(name) ? anonymous : authenticate(request.metadata, request.peer, name);
    const caller = found instanceof Promise ? await found : found;
    entry.caller = caller;
    authorize(caller, name);
    validate(method.input, message);
    signal.throwIfAborted();
    // The table of permissions has let only methods of the service through, and the wire has parsed its input type.
    const handle = handlers[method.localName as keyof Handlers] as Handler;
    return handle(caller, message as never, signal);
  }
}

/** Whatever was thrown, as the one error that callers see. Nothing of an unknown fault leaks. */
function toTokenError(thrown: unknown, signal: CallSignal): TokenError {
  if (thrown instanceof TokenError) return thrown;
  if (!signal.aborted || thrown !== signal.reason)
    return new TokenError("INTERNAL", "internal error", { cause: thrown });
  return thrown instanceof DOMException && thrown.name === "TimeoutError"
    ? new TokenError("DEADLINE_EXCEEDED", "the deadline passed before the call was done")
    : new TokenError("CANCELLED", "the caller left before the call was done");
}
