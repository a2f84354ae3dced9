import { type DescMessage, fromBinary, fromJsonString, type Message } from "@bufbuild/protobuf";
import { isFieldError } from "@bufbuild/protobuf/reflect";
import { raceAbort } from "../call/race-abort.ts";
import { fieldError, TokenError } from "../errors.ts";
import { collectBody } from "./collect-body.ts";
import type { Codec } from "./content-type.ts";
import { openFrame, unreadable } from "./grpc-frame.ts";
import type { WireRequest } from "./request.ts";

/**
 * Reads the body of a unary request and makes sure that it holds exactly one message of the given type.
 *
 * Connect would find the same faults, but it has no hook for them: they would come without a reason, garbage would count as a
 * fault of the server, and a body that never ends would hold its call for ever. So a body is checked here before Connect
 * gets it. Decoding twice costs a few microseconds, of the two hundred that Connect takes for a call.
 *
 * @throws MESSAGE_TOO_LARGE, INVALID_REQUEST, or the reason of the signal.
 */
export async function readUnaryBody(
  request: WireRequest,
  type: DescMessage,
  codec: Codec,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const incoming = Promise.withResolvers<Buffer>();
  collectBody(request, request.headers["content-length"], { maxBytes, framed: codec.enveloped }, incoming);
  request.once("error", () => incoming.reject(new TokenError("CANCELLED", "the caller left")));
  const body = await raceAbort(incoming.promise, signal);
  const message = codec.enveloped ? openFrame(body, maxBytes) : body;
  if (codec.binary) decodeBinary(type, message);
  else checkJson(type, message);
  return body;
}

/** @throws INVALID_REQUEST */
export function decodeBinary(type: DescMessage, message: Uint8Array): Message {
  try {
    return fromBinary(type, message);
  } catch {
    throw unreadable(`the message is not a binary ${type.typeName}`);
  }
}

function checkJson(type: DescMessage, message: Uint8Array): void {
  try {
    fromJsonString(type, new TextDecoder("utf-8", { fatal: true }).decode(message));
  } catch (error) {
    throw explainJson(type, error);
  }
}

/** Names the field, but not its value: the decoder's own message would repeat it, and it may be a secret. */
function explainJson(type: DescMessage, error: unknown): TokenError {
  const cause = error instanceof Error ? error.cause : undefined;
  const [, unknown] = /key "(\w{1,40})" is unknown$/.exec(error instanceof Error ? error.message : "") ?? [];
  if (unknown !== undefined) return fieldError("INVALID_REQUEST", unknown, "there is no such field");
  if (!isFieldError(cause)) return unreadable(`a part of the message is not the JSON of a ${partOf(type, error)}`);
  return fieldError("INVALID_REQUEST", cause.field().name, "the value can't be read");
}

/** The type that the decoder was at: `google.protobuf.Duration` tells more than the request's. */
function partOf(type: DescMessage, error: unknown): string {
  const [, part] =
    /^cannot decode (?:message )?([\w.]+) from JSON/.exec(error instanceof Error ? error.message : "") ?? [];
  return part?.includes(".") ? part : type.typeName;
}
