import { Writable } from "node:stream";
import { ErrorCode } from "./http2/frames.ts";
import { encodeHeaders } from "./http2/header-encoder.ts";
import type { Http2Stream } from "./http2/stream.ts";
import type { WireResponse } from "./request.ts";

/** The answer of a stream in the form that Node gives those of HTTP/1.1. The headers go with the first of the body, or with its end. */
export class Http2Response extends Writable implements WireResponse {
  statusCode = 200;
  headersSent = false;
  readonly #stream: Http2Stream;
  readonly #headers = new Map<string, string>();
  #trailers: Buffer | undefined;

  constructor(stream: Http2Stream) {
    super();
    this.#stream = stream;
    this.on("error", () => {});
  }

  setHeader(name: string, value: string): void {
    this.#headers.set(name, value);
  }

  addTrailers(trailers: Record<string, string>): void {
    this.#trailers = encodeHeaders(Object.entries(trailers));
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, sent: () => void): void {
    this.#respond(false);
    this.#stream.send(chunk, sent);
  }

  override _final(done: () => void): void {
    const isAll = !this.headersSent && this.#trailers === undefined;
    this.#respond(isAll);
    if (!isAll) this.#stream.finish(this.#trailers);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.writableFinished) this.#stream.reset(ErrorCode.INTERNAL_ERROR);
    done(error);
  }

  #respond(end: boolean): void {
    if (this.headersSent) return;
    this.headersSent = true;
    const date = new Date().toUTCString();
    this.#stream.respond(encodeHeaders([[":status", String(this.statusCode)], ...this.#headers, ["date", date]]), end);
  }
}
