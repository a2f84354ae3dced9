import { type DescMessage, fromBinary, fromJsonString, type Message } from "@bufbuild/protobuf";
import { isFieldError } from "@bufbuild/protobuf/reflect";
import { raceAbort } from "../call/race-abort.ts";
import { fieldError, TokenError } from "../errors.ts";
import { collectBody } from "./collect-body.ts";
import type { Codec } from "./content-type.ts";
import { decodeQuestion } from "./decode-question.ts";
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
    return decodeQuestion(type, message) ?? fromBinary(type, message);
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

/** How JSON writes what people write wrong most often (protobuf.dev, "ProtoJSON format"). */
const FORMS: Readonly<Record<string, string>> = {
  "google.protobuf.Duration": 'a duration is seconds, such as "3600s"',
  "google.protobuf.Timestamp": 'a time is RFC 3339, such as "2030-01-31T12:00:00Z"',
  "google.protobuf.FieldMask": 'a mask is names in lowerCamelCase, such as "label,expireTime"',
  "google.protobuf.Struct": "claims are an object",
  "latchkey.v1.TokenStatus": 'a status is its full name, such as "TOKEN_STATUS_EXPIRED"',
};

/** Names the field, but not its value: the decoder's own message would repeat it, and it may be a secret. */
function explainJson(type: DescMessage, error: unknown): TokenError {
  const { message, cause } = error instanceof Error ? error : new Error();
  const [, unknown] = /key "(\w{1,40})" is unknown$/.exec(message) ?? [];
  if (unknown !== undefined) return fieldError("INVALID_REQUEST", unknown, "there is no such field");
  if (isFieldError(cause)) return fieldError("INVALID_REQUEST", cause.field().name, "the value can't be read");
  const [, part = ""] = /^cannot decode (?:message |enum )([\w.]+) from JSON/.exec(message) ?? [];
  return unreadable(FORMS[part] ?? `the message is not the JSON of a ${type.typeName}`);
}
