import type { Socket } from "node:net";
import type { Packed } from "../bag.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { ErrorCode, Flag, FrameType, MAX_FRAME_BYTES } from "./frames.ts";
import { encodeHeaders } from "./header-encoder.ts";
import type { RequestHead } from "./request-head.ts";

/** How much of a body a client may send before more is granted: the protocol's default. */
export const STREAM_WINDOW = 65_535;
/** The most that a window may grow to (RFC 9113, section 6.9.1). */
export const MAX_WINDOW = 2 ** 31 - 1;

/** Takes what a client sends on a stream. No method may throw. */
export interface StreamListener {
  /** A part of the body. What was taken has to be granted again, or the client will stop. */
  onData(bytes: Buffer): void;
  /** The request is whole. */
  onEnd(): void;
  /** Nothing can be sent any more: all of the answer is out, or the client left or was cut off. */
  onClose(): void;
}

/** What a stream needs of its connection. */
export interface StreamHost {
  readonly socket: Socket;
  readonly writer: FrameWriter;
  /** How much of all bodies together the client takes now. */
  sendWindow: number;
  writeHeaders(stream: number, block: Uint8Array, endStream: boolean): void;
  /** Calls `flush` when `sendWindow` has grown. */
  waitForWindow(stream: Http2Stream): void;
  /** Lets the client send so much more on all streams together. */
  release(bytes: number): void;
  /** The client broke a rule of this stream. */
  noteFault(): void;
  forget(stream: Http2Stream): void;
}

/** A request and its answer on an HTTP/2 connection (RFC 9113, section 5). */
export class Http2Stream implements Packed {
  place = -1;
  readonly id: number;
  readonly head: RequestHead;
  readonly #host: StreamHost;
  #listener: StreamListener | undefined;
  #isClosed = false;
  #hasEnded = false;
  #hasAnswered = false;

  readonly #announced: number | undefined;
  #received = 0;
  #receiveWindow = STREAM_WINDOW;
  #taken = 0;
  /**
   * How much of the request counts as memory that the client takes up: until it is whole, or its answer has begun, because whoever
   * collects it has no more use for it then.
   */
  #held = 0;

  #sendWindow: number;
  #pending: Uint8Array | undefined;
  #sent = 0;
  #onSent: (() => void) | undefined;
  /** How the answer ends once all of the body is out. */
  #ending: "open" | "plain" | Uint8Array = "open";

  constructor(id: number, head: RequestHead, host: StreamHost, sendWindow: number) {
    this.id = id;
    this.head = head;
    this.#host = host;
    this.#sendWindow = sendWindow;
    if (head.value("content-length") !== undefined) this.#announced = readLength(head.values("content-length"));
  }

  get socket(): Socket {
    return this.#host.socket;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether the request is whole. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Asks for the body. */
  invite(): void {
    this.#host.writeHeaders(this.id, CONTINUE, false);
  }

  /** Sends the headers of the answer; with `end` they are all of it. */
  respond(block: Uint8Array, end = false): void {
    if (this.#isClosed) return;
    this.#hasAnswered = true;
    this.#release();
    this.#host.writeHeaders(this.id, block, end);
    if (end) this.#complete();
  }

  /** Sends a part of the body, as fast as the client takes it, and then calls `onSent`. One part at a time. Keeps no hold of `bytes`. */
  send(bytes: Uint8Array, onSent?: () => void): void {
    if (this.#isClosed) return;
    this.#pending = bytes;
    this.#sent = 0;
    this.#onSent = onSent;
    this.flush();
    // A copy, which `slice` of a Buffer is not: what lies there next may be for somebody else.
    if (this.#pending) this.#pending = new Uint8Array(bytes);
  }

  /** Ends the answer, with trailers if there are any, after what is still to be sent. */
  finish(trailers?: Uint8Array): void {
    if (this.#isClosed) return;
    this.#ending = trailers ?? "plain";
    if (!this.#pending) this.#end();
  }

  /** Cuts the stream off. */
  reset(code: ErrorCode): void {
    if (this.#isClosed) return;
    this.#writeReset(code);
    this.close();
  }

  /** Lets the client send so much more of the body. */
  grant(bytes: number): void {
    this.#taken += bytes;
    if (this.#hasAnswered) this.#release();
    if (this.#hasEnded || this.#isClosed || this.#taken < STREAM_WINDOW / 2) return;
    this.#host.writer.frame(FrameType.WINDOW_UPDATE, 0, this.id, uint32(this.#taken));
    this.#receiveWindow += this.#taken;
    this.#taken = 0;
  }

  // From here on: for the connection.

  listen(listener: StreamListener): void {
    this.#listener = listener;
    // Some are answered at once.
    if (this.#isClosed) listener.onClose();
  }

  /** @param size with the padding, which counts like the rest */
  takeData(bytes: Buffer, size: number, end: boolean): void {
    this.#held += size;
    this.#receiveWindow -= size;
    this.#received += bytes.length;
    if (this.#hasEnded) this.fail(ErrorCode.STREAM_CLOSED);
    else if (this.#receiveWindow < 0) this.fail(ErrorCode.FLOW_CONTROL_ERROR);
    if (this.#isClosed) return;
    if (size > bytes.length) this.grant(size - bytes.length);
    if (bytes.length > 0) this.#listener?.onData(bytes);
    if (end && !this.#isClosed) this.takeEnd();
  }

  takeEnd(): void {
    if (this.#hasEnded) this.fail(ErrorCode.STREAM_CLOSED);
    else if ((this.#announced ?? this.#received) !== this.#received) this.fail(ErrorCode.PROTOCOL_ERROR);
    if (this.#isClosed) return;
    this.#hasEnded = true;
    this.#release();
    this.#listener?.onEnd();
  }

  /** Answers whether the window is still one. */
  widen(bytes: number): boolean {
    this.#sendWindow += bytes;
    if (this.#sendWindow > MAX_WINDOW) return false;
    this.flush();
    return true;
  }

  takeWindow(bytes: number): void {
    if (bytes === 0) this.fail(ErrorCode.PROTOCOL_ERROR);
    else if (!this.widen(bytes)) this.fail(ErrorCode.FLOW_CONTROL_ERROR);
  }

  /** The client broke a rule that this stream alone hangs on (RFC 9113, section 5.4.2). */
  fail(code: ErrorCode): void {
    if (this.#isClosed) return;
    this.#host.noteFault();
    this.reset(code);
  }

  /** Sends of what is waiting as much as the client takes. */
  flush(): void {
    const host = this.#host;
    while (this.#pending) {
      const rest = this.#pending.length - this.#sent;
      // A window may be below zero, when the client has made it smaller.
      const size = Math.max(0, Math.min(rest, this.#sendWindow, host.sendWindow, MAX_FRAME_BYTES));
      if (rest > 0 && size === 0) {
        if (this.#sendWindow > 0) host.waitForWindow(this);
        return;
      }
      if (size > 0) host.writer.part(FrameType.DATA, 0, this.id, this.#pending, this.#sent, this.#sent + size);
      this.#sent += size;
      this.#sendWindow -= size;
      host.sendWindow -= size;
      if (size === rest) this.#finishPart();
    }
  }

  /** The end, whoever caused it. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pending = undefined;
    this.#release();
    this.#host.forget(this);
    this.#listener?.onClose();
  }

  #release(): void {
    this.#host.release(this.#held);
    this.#held = 0;
  }

  #finishPart(): void {
    const onSent = this.#onSent;
    this.#pending = undefined;
    this.#onSent = undefined;
    if (this.#ending !== "open") this.#end();
    onSent?.();
  }

  #end(): void {
    if (this.#ending instanceof Uint8Array) this.#host.writeHeaders(this.id, this.#ending, true);
    else this.#host.writer.frame(FrameType.DATA, Flag.END_STREAM, this.id, NOTHING);
    this.#complete();
  }

  #complete(): void {
    // Nothing more of the request is wanted (RFC 9113, section 8.1).
    if (!this.#hasEnded) this.#writeReset(ErrorCode.NO_ERROR);
    this.close();
  }

  #writeReset(code: ErrorCode): void {
    this.#host.writer.frame(FrameType.RST_STREAM, 0, this.id, uint32(code));
  }
}

const NOTHING = new Uint8Array(0);
const CONTINUE = encodeHeaders([[":status", "100"]]);

/** NaN for what is no length: no body is as long as that. */
function readLength([text = "", ...others]: readonly string[]): number {
  return others.length === 0 && /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
