import type { Socket } from "node:net";
import { PREFACE } from "../preface.ts";
import { Budget } from "./budget.ts";
import { FrameReader } from "./frame-reader.ts";
import { FrameWriter } from "./frame-writer.ts";
import { broken, ConnectionError, ErrorCode, Flag, FrameType } from "./frames.ts";
import { destroySoon, FAREWELL_MS, hangUp } from "./hang-up.ts";
import type { Header } from "./header.ts";
import { type HeaderBlock, HeaderBlocks } from "./header-blocks.ts";
import { HeaderDecoder } from "./header-decoder.ts";
import { encodeHeaders, NO_TABLE } from "./header-encoder.ts";
import type { Http2Limits } from "./limits.ts";
import { checkGoaway, checkPriority, requireSize, unpad } from "./payload.ts";
import { ReceiveWindow } from "./receive-window.ts";
import { areTrailers, readRequestHead } from "./request-head.ts";
import { readWindow, writeSettings } from "./settings.ts";
import { Http2Stream, MAX_WINDOW, STREAM_WINDOW, type StreamHost, type StreamListener, uint32 } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

/** Takes a request and answers who listens to its body. */
export type Accept = (stream: Http2Stream) => StreamListener;

/** What of the answers a client may leave unread before we stop reading its requests. */
const MAX_UNREAD_BYTES = 1024 * 1024;
/** How much larger than they may be headers are still read, to be answered so. */
const MAX_BLOCK = 4;
/** How long a connection is quiet before its client hears of the end. */
const QUIET_MS = 10;
const FAREWELL = Buffer.from("farewell");

/**
 * The server's end of an HTTP/2 connection (RFC 9113).
 *
 * Node's own costs 15 to 20 µs for a small call, most of it in objects and in crossings between JavaScript and C++ for each stream; the
 * same call costs 5 µs here, where an answer is three frames in a buffer that many answers share. It does what a server for calls
 * needs, and no more: nothing is pushed, no priorities are kept, and answers use no table of headers.
 */
export class Http2Connection implements StreamHost {
  readonly socket: Socket;
  readonly writer: FrameWriter;
  sendWindow = STREAM_WINDOW;
  readonly #limits: Http2Limits;
  readonly #accept: Accept;
  readonly #report: (error: unknown) => void;
  readonly #reader = new FrameReader((type, flags, stream, payload) => this.#take(type, flags, stream, payload));
  readonly #decoder: HeaderDecoder;
  readonly #blocks: HeaderBlocks;
  readonly #faults: Budget;
  readonly #streams = new StreamTable();
  #waiting: Http2Stream[] = [];
  #preface = PREFACE;
  #hasSettings = false;
  #hasAnswered = false;
  #streamWindow = STREAM_WINDOW;
  readonly #receiveWindow: ReceiveWindow;
  /** The highest number of a stream that was not ignored. */
  #lastServed = 0;
  /**
   * `leaving`: the client was told to open no more streams. `left`: those that it still opens are ignored. `over`: all that it sends
   * is.
   */
  #state: "open" | "leaving" | "left" | "over" = "open";

  /** @param report is told of what should not have been thrown */
  constructor(socket: Socket, limits: Http2Limits, accept: Accept, report: (error: unknown) => void) {
    this.#report = report;
    this.socket = socket;
    this.writer = new FrameWriter(socket);
    this.#limits = limits;
    this.#accept = accept;
    this.#decoder = new HeaderDecoder(limits.headerBytes);
    this.#blocks = new HeaderBlocks(MAX_BLOCK * limits.headerBytes);
    this.#faults = new Budget(limits.streamResetBurst, limits.streamResetRate);
    this.#receiveWindow = new ReceiveWindow(limits.connectionBytes);

    const patience = setTimeout(() => socket.destroy(), limits.headersTimeout);
    socket.setNoDelay(true);
    socket.setTimeout(limits.idleTimeout);
    socket.on("timeout", () => this.#giveUp());
    socket.on("error", ignore);
    socket.on("drain", () => socket.resume());
    socket.on("data", (chunk: Buffer) => {
      this.#read(chunk);
      if (this.#hasSettings) clearTimeout(patience);
    });
    socket.once("close", () => {
      clearTimeout(patience);
      for (const stream of this.#streams.all()) stream.close();
    });
    this.writer.frame(FrameType.SETTINGS, 0, 0, writeSettings(limits));
    this.writer.frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(limits.connectionBytes - STREAM_WINDOW));
    socket.resume();
  }

  /**
   * Lets what is under way finish, and closes the connection. Streams that the client opens before it knows are served, too: the first
   * GOAWAY announces the end, and only the second, when the client has answered a PING behind the first, draws the line (RFC
   * 9113, section 6.8).
   *
   * Node's client refuses a call whose headers it has not sent when it reads a GOAWAY, and calls again on an answer that it reads
   * just before. Therefore a GOAWAY never goes behind an answer, but ahead of those that follow.
   */
  shutDown(): void {
    if (this.#state !== "open") return;
    this.#state = "leaving";
    this.writer.rest(QUIET_MS);
    this.#writeGoaway(MAX_WINDOW, ErrorCode.NO_ERROR);
    this.writer.frame(FrameType.PING, 0, 0, FAREWELL);
    setTimeout(() => this.#leave(), FAREWELL_MS).unref();
  }

  writeHeaders(stream: number, block: Uint8Array, endStream: boolean): void {
    this.writer.headers(stream, this.#hasAnswered ? block : Buffer.concat([NO_TABLE, block]), endStream);
    this.#hasAnswered = true;
  }

  waitForWindow(stream: Http2Stream): void {
    if (!this.#waiting.includes(stream)) this.#waiting.push(stream);
  }

  release(bytes: number): void {
    const granted = this.#receiveWindow.release(bytes);
    if (granted > 0 && this.#state !== "over") this.writer.frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(granted));
  }

  noteFault(): void {
    if (this.#faults.spend()) return;
    this.#fail(new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "too many streams were reset"));
  }

  forget(stream: Http2Stream): void {
    this.#streams.delete(stream);
    const place = this.#waiting.indexOf(stream);
    if (place >= 0) this.#waiting.splice(place, 1);
    if (this.#state === "left") this.#endIfDone();
  }

  #read(chunk: Buffer): void {
    if (this.#state === "over") return;
    try {
      const frames = this.#preface.length === 0 ? chunk : this.#readPreface(chunk);
      if (frames.length > 0) this.#reader.read(frames);
      if (this.socket.writableLength > MAX_UNREAD_BYTES) this.socket.pause();
    } catch (error) {
      if (!(error instanceof ConnectionError)) this.#report(error);
      this.#fail(error instanceof ConnectionError ? error : INTERNAL);
    }
  }

  #readPreface(chunk: Buffer): Buffer {
    const length = Math.min(chunk.length, this.#preface.length);
    if (this.#preface.compare(chunk, 0, length, 0, length) !== 0) throw broken("the connection preface is wrong");
    this.#preface = this.#preface.subarray(length);
    return chunk.subarray(length);
  }

  #take(type: number, flags: number, stream: number, payload: Buffer): void {
    if (this.#state === "over") return;
    if (!this.#hasSettings && (type !== FrameType.SETTINGS || flags & Flag.ACK)) {
      throw broken("the first frame is not SETTINGS");
    }
    this.#blocks.check(type, stream);
    let block: HeaderBlock | undefined;
    switch (type) {
      case FrameType.DATA:
        this.#takeData(flags, stream, payload);
        break;
      case FrameType.HEADERS:
        block = this.#blocks.begin(flags, stream, payload);
        break;
      case FrameType.CONTINUATION:
        block = this.#blocks.add(flags, payload);
        break;
      case FrameType.RST_STREAM:
        this.#takeReset(stream, payload);
        break;
      case FrameType.SETTINGS:
        this.#takeSettings(flags, stream, payload);
        break;
      case FrameType.PING:
        this.#takePing(flags, stream, payload);
        break;
      case FrameType.WINDOW_UPDATE:
        this.#takeWindow(stream, payload);
        break;
      case FrameType.PRIORITY:
        checkPriority(stream, payload);
        break;
      case FrameType.GOAWAY:
        checkGoaway(stream, payload);
        this.shutDown();
        break;
      case FrameType.PUSH_PROMISE:
        throw broken("a client can't push");
      // All others have to be ignored (RFC 9113, section 5.5).
    }
    if (block) this.#takeBlock(block);
  }

  #takeData(flags: number, id: number, payload: Buffer): void {
    const stream = this.#streams.of(id);
    const end = (flags & Flag.END_STREAM) !== 0;
    this.#receiveWindow.take(payload.length);
    const bytes = flags & Flag.PADDED ? unpad(payload) : payload;
    if (stream) {
      stream.takeData(bytes, payload.length, end);
    } else {
      this.release(payload.length);
      this.#streams.takeLate(id, end);
    }
  }

  #takeBlock({ stream: id, block, endStream: end }: HeaderBlock): void {
    // Also of a stream that nobody waits for: later blocks may point at what this one adds to the table.
    const headers = this.#decoder.decode(block);
    const stream = this.#streams.get(id);
    if (stream) {
      if (stream.hasEnded) stream.fail(ErrorCode.STREAM_CLOSED);
      else if (!end || !headers || !areTrailers(headers)) stream.fail(ErrorCode.PROTOCOL_ERROR);
      else stream.takeEnd();
    } else if (id <= this.#streams.last) {
      this.#streams.takeLate(id, end);
    } else {
      this.#streams.last = id;
      if (this.#state !== "left") this.#open(id, headers, end);
      else if (!end) this.#streams.cutOff(id);
    }
  }

  #open(id: number, headers: readonly Header[] | undefined, end: boolean): void {
    this.#lastServed = id;
    const head = headers && readRequestHead(headers);
    if (head && this.#streams.size < this.#limits.maxConcurrentStreams) {
      const stream = new Http2Stream(id, head, this, this.#streamWindow);
      this.#streams.add(stream);
      stream.listen(this.#accept(stream));
      if (end && !stream.isClosed) stream.takeEnd();
      return;
    }
    if (!end) this.#streams.cutOff(id);
    if (head) {
      this.#reset(id, ErrorCode.REFUSED_STREAM);
      return;
    }
    if (!headers) this.writeHeaders(id, HEADERS_TOO_LARGE, true);
    if (headers || !end) this.#reset(id, headers ? ErrorCode.PROTOCOL_ERROR : ErrorCode.NO_ERROR);
    this.noteFault();
  }

  #takeReset(id: number, payload: Buffer): void {
    requireSize(payload, 4);
    this.#streams.of(id)?.close();
    this.#streams.end(id);
    this.noteFault();
  }

  #takeSettings(flags: number, id: number, payload: Buffer): void {
    if (id !== 0) throw broken("settings are for the whole connection");
    this.#hasSettings = true;
    if (flags & Flag.ACK) requireSize(payload, 0);
    else this.#adopt(readWindow(payload));
  }

  #adopt(window = this.#streamWindow): void {
    this.writer.frame(FrameType.SETTINGS, Flag.ACK, 0, NOTHING);
    const more = window - this.#streamWindow;
    this.#streamWindow = window;
    for (const stream of this.#streams.all()) {
      if (!stream.widen(more)) throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "a window is too large");
    }
  }

  #takePing(flags: number, id: number, payload: Buffer): void {
    if (id !== 0) throw broken("a ping is for the whole connection");
    requireSize(payload, 8);
    if ((flags & Flag.ACK) === 0) this.writer.frame(FrameType.PING, Flag.ACK, 0, payload);
    else if (payload.equals(FAREWELL)) this.#leave();
  }

  #takeWindow(id: number, payload: Buffer): void {
    requireSize(payload, 4);
    const bytes = payload.readUInt32BE() & MAX_WINDOW;
    if (id !== 0) {
      this.#streams.of(id)?.takeWindow(bytes);
      return;
    }
    if (bytes === 0) throw broken("a window grows by something");
    this.sendWindow += bytes;
    if (this.sendWindow > MAX_WINDOW) throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "a window is too large");
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const stream of waiting) stream.flush();
  }

  #reset(id: number, code: ErrorCode): void {
    this.writer.frame(FrameType.RST_STREAM, 0, id, uint32(code));
  }

  #leave(): void {
    if (this.#state !== "leaving") return;
    this.#state = "left";
    this.#writeGoaway(this.#lastServed, ErrorCode.NO_ERROR);
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.#streams.size === 0) this.#hangUp();
  }

  /** Nothing came and nothing went for long; once more, and nobody is there. */
  #giveUp(): void {
    if (this.#state === "open") this.shutDown();
    else this.socket.destroy();
  }

  #fail({ code, message }: ConnectionError): void {
    if (this.#state === "over") return;
    this.#state = "over";
    for (const stream of this.#streams.all()) stream.close();
    this.#writeGoaway(this.#lastServed, code, message);
    this.#hangUp();
    destroySoon(this.socket);
  }

  #hangUp(): void {
    this.#state = "over";
    this.writer.flush();
    hangUp(this.socket);
  }

  #writeGoaway(lastStream: number, code: ErrorCode, message = ""): void {
    const payload = Buffer.concat([uint32(lastStream), uint32(code), Buffer.from(message)]);
    this.writer.frame(FrameType.GOAWAY, 0, 0, payload);
  }
}

const NOTHING = new Uint8Array(0);
const INTERNAL = new ConnectionError(ErrorCode.INTERNAL_ERROR, "internal error");
const HEADERS_TOO_LARGE = encodeHeaders([[":status", "431"]]);

function ignore(): void {}
