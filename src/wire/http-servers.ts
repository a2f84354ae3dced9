import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import type { Limits } from "./limits.ts";
import type { Route } from "./request.ts";
import { type Tls, tlsOptions } from "./tls.ts";
import type { UnaryLane } from "./unary-lane.ts";

/** How often Node looks for HTTP/1.1 connections past their time-outs. Its default, 30 s, would stretch them to that. */
const CHECK_INTERVAL_MS = 1000;

/** An HTTP/1.1 server, with TLS where it is given. */
export function createHttp1Server(tls: Tls | undefined, limits: Limits, route: Route): http.Server | https.Server {
  const options: http.ServerOptions = {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersTimeout,
    requestTimeout: limits.requestTimeout,
    keepAliveTimeout: limits.keepAliveTimeout,
    connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, limits.headersTimeout),
    // Finds peers that are gone without a word, so that their streams end.
    keepAlive: true,
  };
  if (!tls) return http.createServer(options, route);
  return https.createServer({ ...options, ...tlsOptions(tls, limits.headersTimeout) }, route);
}

/** An HTTP/2 server that does not listen: sockets are handed to it by `emit("connection", socket)`. */
export function createHttp2Server(limits: Limits, route: Route, takeUnary: UnaryLane): http2.Http2Server {
  const server = http2.createServer({
    settings: { maxConcurrentStreams: limits.maxConcurrentStreams, maxHeaderListSize: limits.headerBytes },
    maxSessionMemory: limits.maxSessionMemory,
    streamResetBurst: limits.streamResetBurst,
    streamResetRate: limits.streamResetRate,
  });
  server.setTimeout(limits.idleTimeout);
  server.on("timeout", (session: http2.ServerHttp2Session) => session.close());
  server.on("stream", (stream, headers, _flags, rawHeaders) => {
    if (takeUnary(stream, headers, rawHeaders)) return;
    const request = new http2.Http2ServerRequest(stream, headers, {}, rawHeaders);
    route(request, new http2.Http2ServerResponse(stream));
  });
  return server;
}
