import { type DescMessage, fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { isFieldError } from "@bufbuild/protobuf/reflect";
import { raceAbort } from "../call/race-abort.ts";
import { fieldError, TokenError } from "../errors.ts";
import type { Codec } from "./content-type.ts";
import type { WireRequest } from "./request.ts";

const ENVELOPE_BYTES = 5;

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
  const body = await collect(request, codec.enveloped ? maxBytes + ENVELOPE_BYTES : maxBytes, signal);
  const message = codec.enveloped ? openEnvelope(body, maxBytes) : body;
  if (codec.binary) checkBinary(type, message);
  else checkJson(type, message);
  return body;
}

async function collect(request: WireRequest, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let size = 0;
  const take = (chunk: Buffer) => {
    size += chunk.length;
    if (size > maxBytes) reject(tooLarge(maxBytes));
    else chunks.push(chunk);
  };
  request.on("data", take);
  request.once("end", () => resolve(Buffer.concat(chunks, size)));
  request.once("error", () => reject(new TokenError("CANCELLED", "the caller left")));
  try {
    return await raceAbort(promise, signal);
  } finally {
    request.off("data", take);
  }
}

function openEnvelope(body: Buffer, maxBytes: number): Uint8Array {
  if (body.length < ENVELOPE_BYTES) throw unreadable("the message is incomplete");
  const length = body.readUInt32BE(1);
  if (length > maxBytes) throw tooLarge(maxBytes);
  if (body[0] !== 0) throw unreadable("the message has flags that the server does not take");
  if (length !== body.length - ENVELOPE_BYTES) throw unreadable("the request does not hold exactly one whole message");
  return body.subarray(ENVELOPE_BYTES);
}

function checkBinary(type: DescMessage, message: Uint8Array): void {
  try {
    fromBinary(type, message);
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

function unreadable(message: string): TokenError {
  return new TokenError("INVALID_REQUEST", message);
}

function tooLarge(maxBytes: number): TokenError {
  return new TokenError("MESSAGE_TOO_LARGE", `the message is larger than ${maxBytes} bytes`);
}
