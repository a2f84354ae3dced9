import type { PeerCertificate } from "node:tls";
import type { DescMethodUnary, Message } from "@bufbuild/protobuf";

/** A request as the pipeline sees it, whatever protocol it came by. */
export interface CallRequest {
  readonly method: DescMethodUnary;
  readonly metadata: Metadata;
  readonly peer: Peer;
  /** A message of the type `method.input`. */
  readonly message: Message;
  /** Aborts when the caller leaves or its deadline passes. */
  readonly signal: AbortSignal;
}

/** Headers of a request. Names are lower case. */
export interface Metadata {
  /** All values of a header, in their order, exactly as they were sent; empty if there is none. */
  values(name: string): readonly string[];
}

/** The other end of the connection. */
export interface Peer {
  /** For logs: `connect`, `grpc` or `grpc-web`. */
  readonly protocol: string;
  /** The address, for logs. */
  readonly address: string;
  /** The certificate that the TLS layer has verified against LATCHKEY_TLS_CLIENT_CA. */
  readonly certificate?: PeerCertificate | undefined;
}

/**
 * The one way through which every request goes: authenticate, authorize, validate, handle, map the error, log.
 * Resolves with a message of the type `method.output`; rejects with a TokenError and nothing else.
 */
export type Call = (request: CallRequest) => Promise<Message>;
