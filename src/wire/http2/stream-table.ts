import { Bag } from "../bag.ts";
import { ConnectionError, ErrorCode } from "./frames.ts";
import type { Http2Stream } from "./stream.ts";

/** How many streams that were cut off are remembered. */
const MAX_CUT_OFF = 1000;

/** The streams of a connection by their numbers: those that are open, and what is still known of those that are not. */
export class StreamTable {
  /** The highest number that the client has used. */
  last = 0;
  readonly #open = new Bag<Http2Stream>();
  /** Closed before their client had said all: it may not know yet, and may say more. */
  readonly #cutOff = new Set<number>();

  get size(): number {
    return this.#open.size;
  }

  /** A copy: streams may close while one goes through it. */
  all(): readonly Http2Stream[] {
    return this.#open.all();
  }

  get(id: number): Http2Stream | undefined {
    return id > this.last ? undefined : this.#open.find((stream) => stream.id === id);
  }

  /**
   * The stream that a frame is about; undefined if it is closed.
   *
   * @throws ConnectionError if there never was one.
   */
  of(id: number): Http2Stream | undefined {
    const stream = this.get(id);
    if (stream || this.#cutOff.has(id)) return stream;
    if (id === 0 || id % 2 === 0 || id > this.last) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "there was no such stream");
    }
    return undefined;
  }

  add(stream: Http2Stream): void {
    this.#open.add(stream);
  }

  delete(stream: Http2Stream): void {
    this.#open.delete(stream);
    if (!stream.hasEnded) this.cutOff(stream.id);
  }

  /** Expects more of a request that nobody waits for. */
  cutOff(id: number): void {
    this.#cutOff.add(id);
    if (this.#cutOff.size > MAX_CUT_OFF) this.#cutOff.delete(this.#cutOff.values().next().value as number);
  }

  /**
   * Takes note of more of a request whose stream is closed.
   *
   * @throws ConnectionError if the client knows that it is: then it was the one who ended it.
   */
  takeLate(id: number, end: boolean): void {
    if (!this.#cutOff.has(id)) throw new ConnectionError(ErrorCode.STREAM_CLOSED, "the stream was closed");
    if (end) this.#cutOff.delete(id);
  }

  /** Expects no more of this stream. */
  end(id: number): void {
    this.#cutOff.delete(id);
  }
}
