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
  #isWhole = false;

  constructor(stream: Http2Stream) {
    super();
    this.#stream = stream;
    this.on("error", () => {});
  }

  /** Whether all of it is out, so that the end of the stream is no loss. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** @throws TypeError for what could be read as something else than one header. */
  setHeader(name: string, value: string): void {
    this.#headers.set(...checked([name, value]));
  }

  addTrailers(trailers: Record<string, string>): void {
    this.#trailers = encodeHeaders(Object.entries(trailers).map(checked));
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, sent: () => void): void {
    this.#respond(false);
    // To HEAD, what the answer to GET says of its body is told, but not the body.
    if (this.#stream.head.method === "HEAD") sent();
    else this.#stream.send(chunk, sent);
  }

  override _final(done: () => void): void {
    const isAll = !this.headersSent && this.#trailers === undefined;
    this.#isWhole = true;
    this.#respond(isAll);
    if (!isAll) this.#stream.finish(this.#trailers);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#isWhole) this.#stream.reset(ErrorCode.INTERNAL_ERROR);
    done(error);
  }

  #respond(end: boolean): void {
    if (this.headersSent) return;
    this.headersSent = true;
    const date = new Date().toUTCString();
    this.#stream.respond(encodeHeaders([[":status", String(this.statusCode)], ...this.#headers, ["date", date]]), end);
  }
}

/** As Node has it for its own. */
function checked([name, value]: [name: string, value: string]): [name: string, value: string] {
  if (!/^[\w-]+$/.test(name) || /[^\t\x20-\x7e\x80-\xff]/.test(value)) throw new TypeError(`no header: ${name}`);
  return [name.toLowerCase(), value];
}
