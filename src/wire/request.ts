import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { Socket } from "node:net";
import { type PeerCertificate, TLSSocket } from "node:tls";
import type { universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { Metadata, Peer } from "../call/call.ts";

export type WireRequest = IncomingMessage | Http2ServerRequest;

/** Node's two classes for a response, as far as they agree. */
export type WireResponse = Parameters<typeof universalResponseToNodeResponse>[1];

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

/** The real socket of a request. */
export function socketOf(request: WireRequest): Socket | undefined {
  return "stream" in request ? request.stream.session?.socket : request.socket;
}

const certificates = new WeakMap<object, PeerCertificate>();

/** Once per connection: reading a certificate out of OpenSSL costs more than a call. */
function verifiedCertificate(socket: Socket | undefined): PeerCertificate | undefined {
  if (!isTls(socket) || !socket.authorized) return undefined;
  const known = certificates.get(socket);
  if (known) return known;
  const certificate = socket.getPeerCertificate();
  certificates.set(socket, certificate);
  return certificate;
}

// An http2 session shows its socket through a proxy, which `instanceof` sees through.
function isTls(socket: Socket | undefined): socket is TLSSocket {
  return socket instanceof TLSSocket;
}
