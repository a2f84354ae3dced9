import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
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
  #unread = 0;

  constructor(stream: Http2Stream) {
    super();
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

  add(bytes: Buffer): void {
    this.#unread += bytes.length;
    this.push(bytes);
  }

  override _read(): void {
    this.#stream.grant(this.#unread);
    this.#stream.release();
    this.#unread = 0;
  }
}

function joinHeaders({ head }: Http2Stream): IncomingHttpHeaders {
  const joined: Record<string, string> = Object.create(null);
  if (head.authority !== "") joined.host = head.authority;
  for (const { name, value } of head.headers) {
    const known = joined[name];
    if (known === undefined) joined[name] = value;
    else if (!SINGLE.has(name)) joined[name] = `${known}, ${value}`;
  }
  return joined;
}
