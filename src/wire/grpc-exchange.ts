import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import type { CallSignal } from "../call/call.ts";
import { TokenError } from "../errors.ts";
import { collectBody } from "./collect-body.ts";
import { openFrame, sealFrame } from "./grpc-frame.ts";
import { statusHeaders } from "./grpc-status.ts";
import type { Endable } from "./in-flight.ts";
import { protectiveHeaders } from "./protection.ts";

/** One unary gRPC call on its HTTP/2 stream: a message comes in, a message or an error goes out. */
export interface GrpcExchange extends Endable {
  /** Aborts when the call must end. */
  readonly signal: CallSignal;
  /**
   * Resolves with the one message of the request, when all of it is there.
   *
   * @throws MESSAGE_TOO_LARGE, INVALID_REQUEST, CANCELLED or the reason to end.
   */
  readMessage(maxBytes: number): Promise<Uint8Array>;
  sendMessage(message: Uint8Array): void;
  sendError(error: ConnectError): void;
}

const WITH_TRAILERS = { waitForTrailers: true };
const WITHOUT_BODY = { endStream: true };
const PROTECTION = Object.entries(protectiveHeaders).flat();
const OK = { "grpc-status": "0" };

/** @param gone is told when the stream is closed, after which nothing can be ended any more. */
export function openExchange(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  gone: (exchange: GrpcExchange) => void,
): GrpcExchange {
  const contentType = headers["content-type"] ?? "";
  const signal = new ExchangeSignal();
  const body = Promise.withResolvers<Buffer>();
  let answered = false;

  const exchange: GrpcExchange = {
    signal,

    end(reason) {
      // Nobody fetches the answer.
      if (answered) return stream.close(constants.NGHTTP2_CANCEL);
      body.reject(reason);
      signal.abort(reason);
    },

    async readMessage(maxBytes) {
      collectBody(stream, headers["content-length"], { maxBytes, framed: true }, body);
      return openFrame(await body.promise, maxBytes);
    },

    sendMessage(message) {
      if (!beginAnswer()) return;
      stream.once("wantTrailers", sendOk);
      // A flat list costs Node less than an object. It adds the date, so the list can't be shared.
      stream.respond([":status", "200", "content-type", contentType, ...PROTECTION], WITH_TRAILERS);
      stream.end(sealFrame(message));
    },

    sendError(error) {
      if (!beginAnswer()) return;
      stream.respond({ ":status": 200, ...statusHeaders(contentType, error), ...protectiveHeaders }, WITHOUT_BODY);
      // Nothing more of the request is wanted (RFC 9113, section 8.1).
      if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
    },
  };

  function beginAnswer(): boolean {
    answered = true;
    return !stream.closed;
  }

  stream.once("aborted", () => exchange.end(new TokenError("CANCELLED", "the caller left")));
  stream.once("close", () => gone(exchange));
  return exchange;
}

/** One listener is all that a call has. */
class ExchangeSignal implements CallSignal {
  aborted = false;
  reason: unknown;
  #listener: (() => void) | undefined;

  addEventListener(_type: "abort", listener: () => void): void {
    this.#listener = listener;
  }

  removeEventListener(): void {
    this.#listener = undefined;
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.#listener?.();
  }
}

function sendOk(this: ServerHttp2Stream): void {
  this.sendTrailers(OK);
}
