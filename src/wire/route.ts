import type { Logger } from "pino";
import { Bag, type Packed } from "./bag.ts";
import type { Methods } from "./connect.ts";
import { codecOf } from "./content-type.ts";
import { createCors } from "./cors.ts";
import { createHttpEndpoints, refuseMethod, refuseType, serveEndpoint } from "./http-endpoints.ts";
import type { InFlight } from "./in-flight.ts";
import type { Limits } from "./limits.ts";
import { protectiveHeaders } from "./protection.ts";
import type { Readiness } from "./readiness.ts";
import type { Route, WireRequest, WireResponse } from "./request.ts";
import { serveMethod } from "./serve-method.ts";
import { refuseUnknownPath } from "./unknown-path.ts";

export interface RouteOptions {
  readonly methods: Methods;
  readonly readiness: Readiness;
  readonly publicKeys: () => object;
  readonly corsOrigins: readonly string[];
  readonly corsHeaders: readonly string[];
  readonly limits: Limits;
  readonly inFlight: InFlight;
  readonly log: Logger;
}

/** The one way that all requests take, whatever their HTTP version and protocol. */
export function createRoute(options: RouteOptions): Route {
  const { methods, readiness, limits, inFlight, log } = options;
  const { draining } = readiness;
  const cors = createCors(options.corsOrigins, options.corsHeaders);
  const endpoints = createHttpEndpoints(readiness, options.publicKeys);

  const serve = async (request: WireRequest, response: WireResponse): Promise<void> => {
    const path = pathOf(request);
    const endpoint = endpoints.get(path);
    if (endpoint) return serveEndpoint(endpoint, request, response);
    const handler = methods.get(path);
    if (!handler) return refuseUnknownPath(request, response);
    // Connect would take GET for methods without side effects. There are none: secrets must not get into URLs.
    if (request.method !== "POST") return refuseMethod(response, "POST");
    if (handler.method.methodKind === "unary" && !codecOf(request.headers["content-type"])) return refuseType(response);
    return serveMethod(handler, request, response, { limits, inFlight, draining, log });
  };

  const hangUp = hangUpWhen(draining);

  return (request, response) => {
    protect(response);
    if (request.httpVersionMajor === 1) hangUp(response);
    stopUpload(request, response);
    cors.grant(request, response);
    if (cors.answerPreflight(request, response)) return;
    serve(request, response).catch((error: unknown) => {
      // Mostly a client that left in the middle of its answer.
      log.debug({ error: String(Object(error).name) }, "request not answered");
      response.destroy();
    });
  };
}

/** Tells HTTP/1.1 clients with their answer that it is the last one on this connection, once the signal has aborted. */
function hangUpWhen(draining: AbortSignal): (response: WireResponse) => void {
  const open = new Bag<{ readonly response: WireResponse } & Packed>();
  const close = (response: WireResponse) => {
    if (!response.headersSent) response.setHeader("connection", "close");
  };
  const closeAll = () => {
    for (const { response } of open.all()) close(response);
  };
  draining.addEventListener("abort", closeAll, { once: true });
  return (response) => {
    if (draining.aborted) return close(response);
    const entry = { response, place: -1 };
    open.add(entry);
    response.once("close", () => open.delete(entry));
  };
}

/** The path without the query, and without a host where the request line has one, as it does for proxies. */
function pathOf(request: WireRequest): string {
  const [path = ""] = (request.url ?? "").replace(/^https?:\/\/[^/?]*/i, "").split("?", 1);
  return path;
}

function protect(response: WireResponse): void {
  for (const [name, value] of Object.entries(protectiveHeaders)) response.setHeader(name, value);
}

/** After the answer, nothing more of the request is wanted. HTTP/1.1 can only read it away, for `requestTimeout`. */
function stopUpload(request: WireRequest, response: WireResponse): void {
  if (request.httpVersionMajor === 1) response.once("finish", () => request.resume());
}
