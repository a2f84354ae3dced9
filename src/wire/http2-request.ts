import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { BytePile } from "./http2/byte-pile.ts";
import type { Http2Stream } from "./http2/stream.ts";
import type { WireRequest } from "./request.ts";

/** Headers of which only the first counts if they are repeated; all others are joined, as Node does it. */
const SINGLE = new Set(["authorization", "content-length", "content-type", "host", "origin", "user-agent"]);

/** The request of a stream in the form that Node gives those of HTTP/1.1. */
export class Http2Request extends Readable implements WireRequest {
  readonly httpVersion = "2.0";
  readonly httpVersionMajor = 2;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly socket: Socket;
  readonly #stream: Http2Stream;
  readonly #unread = new BytePile();
  #isWanted = false;
  #isWhole = false;

  constructor(stream: Http2Stream) {
    // What nobody reads waits in one piece, and not in as many as it came in.
    super({ highWaterMark: 1 });
    const { head } = stream;
    this.#stream = stream;
    this.method = head.method;
    this.url = head.path;
    this.headers = joinHeaders(stream);
    this.rawHeaders = head.headers.flatMap(({ name, value }) => [name, value]);
    this.socket = stream.socket;
    // Whoever reads hears of it; where nobody does, it matters to nobody.
    this.on("error", () => {});
  }

  /** A part of the body came, */
  add(bytes: Buffer): void {
    this.#unread.add(bytes);
    this.#handOver();
  }

  /** or its end. */
  end(): void {
    this.#isWhole = true;
    this.#handOver();
  }

  override _read(): void {
    this.#isWanted = true;
    this.#handOver();
  }

  #handOver(): void {
    if (!this.#isWanted) return;
    if (this.#unread.size > 0) {
      this.#isWanted = false;
      this.#stream.grant(this.#unread.size);
      this.push(this.#unread.take());
    } else if (this.#isWhole) {
      this.#isWanted = false;
      this.push(null);
    }
  }
}

function joinHeaders({ head }: Http2Stream): IncomingHttpHeaders {
  const joined: Record<string, string> = Object.create(null);
  if (head.authority !== "") joined.host = head.authority;
  for (const { name, value } of head.headers) {
    const known = joined[name];
    if (known === undefined) joined[name] = value;
    else if (!SINGLE.has(name)) joined[name] = `${known}${name === "cookie" ? "; " : ", "}${value}`;
  }
  return joined;
}
