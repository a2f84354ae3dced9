import type { DescMessage, DescMethodUnary, Message, MessageInitShape } from "@bufbuild/protobuf";
import type { Metadata, Peer } from "../auth/request.ts";
import type { StopSignal } from "../domain/context.ts";

export type { Metadata, Peer };

/** A request as the pipeline sees it, whatever protocol it came by. */
export interface CallRequest {
  readonly method: DescMethodUnary;
  readonly metadata: Metadata;
  readonly peer: Peer;
  /** A message of the type `method.input`. */
  readonly message: Message;
  /** Aborts when the caller leaves, its deadline passes or the server goes down; its reason says which. */
  readonly signal: CallSignal;
}

/** What the pipeline needs of an AbortSignal. A real one for each call would cost as much as the rest of the pipeline. */
export interface CallSignal extends StopSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/**
 * The one way through which every request goes: authenticate, authorize, validate, handle, map the error, log.
 * Rejects with a TokenError and nothing else, at the latest when the request's signal aborts.
 */
export type Call = (request: CallRequest) => Promise<Answer>;

/** A message of the type `method.output`, or its fields. */
export type Answer = MessageInitShape<DescMessage>;
