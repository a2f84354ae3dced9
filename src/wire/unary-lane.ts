import type { Socket } from "node:net";
import type { Logger } from "pino";
import type { Call, Peer } from "../call/call.ts";
import { isUncompressed } from "./content-encoding.ts";
import { readTimeout } from "./deadline.ts";
import type { Http2Stream, StreamListener } from "./http2/stream.ts";
import type { InFlight } from "./in-flight.ts";
import { type Limits, messageBytes } from "./limits.ts";
import { describePeer, type HeaderOf } from "./request.ts";
import { type LaneMethod, UnaryCall } from "./unary-call.ts";
import { unaryMethods } from "./unary-methods.ts";

/**
 * Takes a request if it is a unary gRPC call without compression, sees to it that it is answered, and answers who listens to
 * its body; undefined for all others, which go the common way.
 */
export type UnaryLane = (stream: Http2Stream) => StreamListener | undefined;

export interface UnaryLaneOptions {
  readonly call: Call;
  readonly limits: Limits;
  readonly inFlight: InFlight;
  readonly log: Logger;
}

/**
 * The short way for the calls that there are most of. It keeps the same promises as the common way, and the conformance tests
 * compare the two; what it saves is Connect's async iterators, its web `Headers` and its signals, most of the cost of a call.
 */
export function createUnaryLane({ call, limits, inFlight, log }: UnaryLaneOptions): UnaryLane {
  const methods = new Map(
    unaryMethods.map((method): [string, LaneMethod] => [
      `/${method.parent.typeName}/${method.name}`,
      { method, maxBytes: messageBytes(limits, method) },
    ]),
  );
  const means = { call, limits, inFlight, log };
  const peerOf = rememberPeers();

  return (stream) => {
    const { head } = stream;
    const method = head.method === "POST" ? methods.get(head.path) : undefined;
    if (!method) return undefined;
    const header: HeaderOf = (name) => head.value(name);
    const contentType = header("content-type") ?? "";
    if (!isPlainGrpc(contentType) || !isUncompressed(header)) return undefined;
    const unary = new UnaryCall(stream, method, peerOf(stream.socket), contentType, means);
    unary.begin(readTimeout(header));
    return unary;
  };
}

function isPlainGrpc(contentType: string): boolean {
  return contentType === "application/grpc" || contentType === "application/grpc+proto";
}

/** A connection's other end does not change, and describing it costs more than remembering it. */
function rememberPeers(): (socket: Socket) => Peer {
  const peers = new WeakMap<Socket, Peer>();
  return (socket) => {
    const known = peers.get(socket);
    if (known) return known;
    const peer = describePeer(socket, "grpc");
    peers.set(socket, peer);
    return peer;
  };
}
