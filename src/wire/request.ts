import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { type PeerCertificate, TLSSocket } from "node:tls";
import type { Metadata, Peer } from "../call/call.ts";

/** A request of either HTTP version: what Node's `IncomingMessage` and our `Http2Request` have in common. */
export interface WireRequest extends Readable {
  readonly httpVersion: string;
  readonly httpVersionMajor: number;
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as the client sent them. */
  readonly rawHeaders: readonly string[];
  readonly socket: Socket;
}

/** The header of a name in lower case. */
export type HeaderOf = (name: string) => string | undefined;

export function headersOf({ headers }: WireRequest): HeaderOf {
  return (name) => headers[name]?.toString();
}

/** A response of either HTTP version: what Node's `ServerResponse` and our `Http2Response` have in common. */
export interface WireResponse extends Writable {
  statusCode: number;
  readonly headersSent: boolean;
  setHeader(name: string, value: string): unknown;
  addTrailers(trailers: Record<string, string>): void;
}

/** Gives a response its status and headers; they leave with the first of the body, or with its end. */
export function setHead(response: WireResponse, status: number, headers: Readonly<Record<string, string>>): void {
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}

/** Takes one request of either HTTP version and sees to it that it is answered. */
export type Route = (request: WireRequest, response: WireResponse) => void;

/**
 * The headers as the client sent them: Node's `headers` joins repeated ones, or drops all but the first, and a second
 * `authorization` must be seen.
 *
 * @param rawHeaders names and values in turn, as of `request.rawHeaders`.
 */
export function readMetadata(rawHeaders: readonly string[]): Metadata {
  return {
    values(name) {
      return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name);
    },
  };
}

/** The other end of a connection. Its certificate counts only if the TLS layer has verified it. */
export function describePeer(socket: Socket | undefined, protocol: string): Peer {
  return { protocol, address: socket?.remoteAddress ?? "", certificate: verifiedCertificate(socket) };
}

const certificates = new WeakMap<object, PeerCertificate>();

/** Once per connection: reading a certificate out of OpenSSL costs more than a call. */
function verifiedCertificate(socket: Socket | undefined): PeerCertificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const known = certificates.get(socket);
  if (known) return known;
  const certificate = socket.getPeerCertificate();
  certificates.set(socket, certificate);
  return certificate;
}
