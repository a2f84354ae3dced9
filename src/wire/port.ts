import type { AddressInfo, Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Logger } from "pino";
import { createHttp1Server } from "./http1-server.ts";
import { Http2Connection } from "./http2/connection.ts";
import type { Http2Stream } from "./http2/stream.ts";
import { serveStream } from "./http2-exchange.ts";
import type { Limits } from "./limits.ts";
import { detectProtocol } from "./preface.ts";
import type { Route } from "./request.ts";
import { presentsBadCertificate, type Tls } from "./tls.ts";
import type { UnaryLane } from "./unary-lane.ts";

/** One port for HTTP/1.1 and HTTP/2, in the clear or over TLS. */
export interface Port {
  listen(host: string, port: number): Promise<AddressInfo>;
  /** Takes no more connections and requests, and resolves when what is in flight is answered. */
  close(): Promise<void>;
  /** Hangs up on everybody. */
  destroy(): void;
}

export interface PortOptions {
  readonly tls: Tls | undefined;
  readonly limits: Limits;
  readonly route: Route;
  readonly takeUnary: UnaryLane;
  readonly log: Logger;
}

/**
 * The HTTP/1.1 server is the one that listens, because only a server that listens keeps its time-outs. But a connection
 * gets to it only when it is known to be for it, and not HTTP/2.
 */
export function createPort({ tls, limits, route, takeUnary, log }: PortOptions): Port {
  const sockets = new Set<Socket>();
  const connections = new Set<Http2Connection>();
  const http1 = createHttp1Server(tls, limits, route);
  http1.maxConnections = limits.maxConnections;

  const connected = tls ? "secureConnection" : "connection";
  const [serveHttp1] = http1.listeners(connected);
  http1.removeAllListeners(connected);

  const serveHttp2 = (socket: Socket): void => {
    const connection = new Http2Connection(socket, limits, accept, report);
    connections.add(connection);
    socket.once("close", () => connections.delete(connection));
  };
  const accept = (stream: Http2Stream) => takeUnary(stream) ?? serveStream(stream, route);
  const report = (error: unknown) => log.error({ error: String(Object(error).name) }, "connection failed");

  const handOver = (socket: Socket, isHttp2: boolean): void => {
    // An HTTP/1.1 client may close its half and wait for the answer. An HTTP/2 client that does so is gone.
    socket.allowHalfOpen = !isHttp2;
    if (!http1.listening) socket.destroy();
    else if (isHttp2) serveHttp2(socket);
    else serveHttp1?.call(http1, socket);
  };

  http1.on(connected, (socket: Socket) => {
    if (!(socket instanceof TLSSocket)) detectProtocol(socket, limits.headersTimeout, (is2) => handOver(socket, is2));
    else if (presentsBadCertificate(socket)) refuse(socket, log);
    else handOver(socket, socket.alpnProtocol === "h2");
  });
  http1.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  http1.on("request", (_request, response) => {
    // Node closes connections that are idle when it stops listening, but not those that become so later.
    response.once("close", () => {
      if (!http1.listening) setImmediate(() => http1.closeIdleConnections());
    });
  });

  return {
    async listen(host, port) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      http1.once("error", reject).listen({ host, port }, resolve);
      await promise;
      http1.off("error", reject);
      return http1.address() as AddressInfo;
    },
    close() {
      const { promise, resolve } = Promise.withResolvers<void>();
      http1.close(() => resolve());
      for (const connection of connections) connection.shutDown();
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
      return promise;
    },
    destroy() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function refuse(socket: TLSSocket, log: Logger): void {
  log.warn({ address: socket.remoteAddress, reason: String(socket.authorizationError) }, "client certificate refused");
  socket.destroy();
}
