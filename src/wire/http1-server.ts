import http from "node:http";
import https from "node:https";
import type { Limits } from "./limits.ts";
import type { Route } from "./request.ts";
import { type Tls, tlsOptions } from "./tls.ts";

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
