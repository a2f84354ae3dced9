import type { Messages } from "./messages.ts";

/** One call. */
export interface Exchange {
  readonly pick: number;
  /** When it was due, by `performance.now()`. */
  readonly due: number;
}

/** What came back: a message, or what is wrong with the answer already by its protocol. */
export type Answer = { readonly message: Buffer } | { readonly fault: string };

/** A connection to the measured server. */
export interface Connection {
  /** Writes a call down; `flush` sends all that are. */
  call(exchange: Exchange): void;
  flush(): void;
  /** How many calls wait for their answer. */
  readonly underWay: number;
  /** Goes in the middle of a request, with all that is under way. Nothing is answered any more. */
  leave(): void;
}

export interface ConnectionOptions {
  readonly url: URL;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly messages: Messages;
  /** Whether the answer's message is framed and its status stands in the trailers. */
  readonly grpc: boolean;
  readonly onAnswer: (connection: Connection, exchange: Exchange, answer: Answer) => void;
  /** Called when what has come is read, which is a good moment to send what was written down meanwhile. */
  readonly onRead: (connection: Connection) => void;
}
