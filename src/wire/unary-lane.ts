import type { Http2Session, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { DescMethodUnary } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import type { Logger } from "pino";
import type { Call, Metadata, Peer } from "../call/call.ts";
import { isUncompressed } from "./content-encoding.ts";
import { readTimeout, unaryTimeout } from "./deadline.ts";
import { encodeAnswer } from "./encode-answer.ts";
import { toConnectError } from "./error-details.ts";
import { type GrpcExchange, openExchange } from "./grpc-exchange.ts";
import { unreadable } from "./grpc-frame.ts";
import { createInFlight } from "./in-flight.ts";
import { type Limits, messageBytes } from "./limits.ts";
import { refuseRequest } from "./refuse-request.ts";
import { describePeer, readMetadata } from "./request.ts";
import { runCall, unaryMethods } from "./run-call.ts";
import type { Endings } from "./serve-method.ts";
import { decodeBinary } from "./unary-body.ts";

/**
 * Takes a request if it is a unary gRPC call without compression, sees to it that it is answered, and tells whether it took
 * it. Whatever it does not take goes the common way.
 */
export type UnaryLane = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
) => boolean;

export interface UnaryLaneOptions {
  readonly call: Call;
  readonly limits: Limits;
  readonly endings: Endings;
  readonly log: Logger;
}

/**
 * The short way for the calls that there are most of. It keeps the same promises as the common way, and the conformance tests
 * compare the two; what it saves is Connect's async iterators, its web `Headers` and its signals, most of the cost of a call.
 */
export function createUnaryLane({ call, limits, endings, log }: UnaryLaneOptions): UnaryLane {
  const methods = new Map(unaryMethods.map((method) => [`/${method.parent.typeName}/${method.name}`, method]));
  const inFlight = createInFlight(endings.shutdown);
  const peerOf = rememberPeers();

  async function serve(
    exchange: GrpcExchange,
    method: DescMethodUnary,
    { timeout, ...origin }: Request,
  ): Promise<void> {
    try {
      const message = await read(exchange, method, timeout, origin.peer);
      const answer = await runCall(call, { method, message, signal: exchange.signal, ...origin }, log);
      exchange.sendMessage(encodeAnswer(method, answer));
    } catch (error) {
      exchange.sendError(error instanceof ConnectError ? error : toConnectError(error));
    }
  }

  async function read(exchange: GrpcExchange, method: DescMethodUnary, timeout: number | undefined, peer: Peer) {
    try {
      if (Number.isNaN(timeout)) throw unreadable("the timeout can't be read");
      return decodeBinary(method.input, await exchange.readMessage(messageBytes(limits, method)));
    } catch (error) {
      throw refuseRequest(error, { method: method.name, address: peer.address }, log);
    }
  }

  return (stream, headers, rawHeaders) => {
    const method = isPlainGrpc(headers) ? methods.get(headers[":path"] ?? "") : undefined;
    if (!method) return false;
    stream.on("error", ignore);
    // Whoever resets a stream in the same packet is gone before anybody hears of either.
    if (stream.aborted || !stream.session) return true;
    const request = { timeout: readTimeout(headers), metadata: readMetadata(rawHeaders), peer: peerOf(stream.session) };
    const exchange = openExchange(stream, headers, inFlight.delete);
    inFlight.add(exchange, unaryTimeout(request.timeout, limits));
    serve(exchange, method, request).catch((error: unknown) => {
      log.error({ method: method.name, error: String(Object(error).name) }, "request not answered");
      stream.destroy();
    });
    return true;
  };
}

/** What the pipeline needs to know besides the message, and the timeout in milliseconds as `readTimeout` answers it. */
interface Request {
  readonly timeout: number | undefined;
  readonly metadata: Metadata;
  readonly peer: Peer;
}

/** A stream that fails is closed, too, and `aborted` says whether that matters. */
function ignore(): void {}

function isPlainGrpc(headers: IncomingHttpHeaders): boolean {
  const type = headers["content-type"];
  return (
    (type === "application/grpc" || type === "application/grpc+proto") &&
    headers[":method"] === "POST" &&
    isUncompressed(headers)
  );
}

/** A connection's other end does not change, and describing it costs more than remembering it. */
function rememberPeers(): (session: Http2Session) => Peer {
  const peers = new WeakMap<Http2Session, Peer>();
  return (session) => {
    const known = peers.get(session);
    if (known) return known;
    const peer = describePeer(session.socket, "grpc");
    peers.set(session, peer);
    return peer;
  };
}
