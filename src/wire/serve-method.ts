import { createContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import type { Logger } from "pino";
import { raceAbort } from "../call/race-abort.ts";
import { TokenError } from "../errors.ts";
import { originKey } from "./connect.ts";
import { ENCODING_HEADERS, isUncompressed } from "./content-encoding.ts";
import { codecOf, protocolOf } from "./content-type.ts";
import { limitCall, readTimeout, TIMEOUT_HEADERS, unaryTimeout } from "./deadline.ts";
import type { InFlight } from "./in-flight.ts";
import { type Limits, messageBytes } from "./limits.ts";
import { refuseRequest } from "./refuse-request.ts";
import { describePeer, headersOf, readMetadata, type WireRequest, type WireResponse } from "./request.ts";
import { readUnaryBody } from "./unary-body.ts";
import { writeAnswer } from "./write-answer.ts";

export interface ServeOptions {
  readonly limits: Limits;
  readonly inFlight: InFlight;
  /** Aborts when the server begins to drain: streams, which have no natural end, end now. */
  readonly draining: AbortSignal;
  readonly log: Logger;
}

type Body = AsyncIterable<Uint8Array>;

/**
 * Serves one request through Connect. In the place of connect-node's own adapter, because that one trusts the `host` header
 * to be a host, joins repeated headers, waits for a body without end, and prints faults to the console.
 */
export async function serveMethod(
  handler: UniversalHandler,
  request: WireRequest,
  response: WireResponse,
  { limits, inFlight, draining, log }: ServeOptions,
): Promise<void> {
  const unary = handler.method.methodKind === "unary";
  const signal = limitCall(
    response,
    unary ? unaryTimeout(readTimeout(headersOf(request)), limits) : limits.streamTimeout,
    inFlight,
  );
  const body = unary
    ? unaryBody(handler, request, { limits, log }, signal)
    : streamBody(request, AbortSignal.any([signal, draining]));
  const answer = await handler(toUniversal(request, body, signal));
  await writeAnswer(answer, response);
}

/** Whatever is wrong with the request is thrown out of the body, so that Connect answers it in the caller's protocol. */
async function* unaryBody(
  handler: UniversalHandler,
  request: WireRequest,
  { limits, log }: Pick<ServeOptions, "limits" | "log">,
  signal: AbortSignal,
): Body {
  const codec = codecOf(request.headers["content-type"]);
  if (!codec) return;
  try {
    refuseCompression(request);
    if (Number.isNaN(readTimeout(headersOf(request))))
      throw new TokenError("INVALID_REQUEST", "the timeout can't be read");
    const { method } = handler;
    yield await readUnaryBody(request, method.input, codec, messageBytes(limits, method), signal);
  } catch (error) {
    const address = request.socket.remoteAddress ?? "";
    throw refuseRequest(error, { method: handler.method.name, address }, log);
  }
}

function refuseCompression(request: WireRequest): void {
  if (!isUncompressed(headersOf(request))) {
    throw new TokenError("COMPRESSION_UNSUPPORTED", "the request is compressed: send it plain");
  }
}

/** The body until it ends, or until the stream has to. */
async function* streamBody(request: WireRequest, end: AbortSignal): Body {
  const chunks: AsyncIterator<Buffer> = request[Symbol.asyncIterator]();
  while (true) {
    const next = await raceAbort(chunks.next(), end).catch(() => undefined);
    if (!next || next.done) return;
    yield next.value;
  }
}

function toUniversal(request: WireRequest, body: Body, signal: AbortSignal): UniversalServerRequest {
  const protocol = protocolOf(request.headers["content-type"]);
  const peer = describePeer(request.socket, protocol);
  const metadata = readMetadata(request.rawHeaders);
  return {
    httpVersion: request.httpVersion,
    method: request.method ?? "",
    // Handlers know their path, and nobody may rely on what a client says about the host.
    url: "http://localhost/",
    header: protocolHeaders(request),
    body,
    signal,
    contextValues: createContextValues().set(originKey, { metadata, peer }),
  };
}

/** The headers that Connect itself goes by, but for what is settled before it is asked. */
function protocolHeaders(request: WireRequest): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (/^(?:content-|accept-|connect-|grpc-)/.test(name) && value !== undefined) headers.set(name, String(value));
  }
  for (const name of [...TIMEOUT_HEADERS, ...ENCODING_HEADERS, "content-length"]) headers.delete(name);
  return headers;
}
