import { cors } from "@connectrpc/connect";
import { setHead, type WireRequest, type WireResponse } from "./request.ts";

/** How long a browser may keep the answer to a preflight: the most that Chromium takes. */
const MAX_AGE_SECONDS = 7200;

/**
 * Cross-origin access for browsers, from the configured origins alone. It is never granted with credentials: Latchkey reads
 * no cookies, so a page has to hold a token itself.
 */
export interface Cors {
  /** Sets the headers that let a page of an allowed origin read the response. */
  grant(request: WireRequest, response: WireResponse): void;
  /** Answers the request if it is a preflight, and tells whether it was. */
  answerPreflight(request: WireRequest, response: WireResponse): boolean;
}

/**
 * @param origins exact origins such as `https://app.example`; a lone `*` allows all; none switches CORS off.
 * @param headers what requests may carry besides the headers of the protocols and `authorization`.
 */
export function createCors(origins: readonly string[], headers: readonly string[]): Cors {
  const allowed = new Set(origins);
  const preflightHeaders = {
    "access-control-allow-methods": cors.allowedMethods.join(", "),
    "access-control-allow-headers": [...cors.allowedHeaders, "Authorization", ...headers].join(", "),
    "access-control-max-age": String(MAX_AGE_SECONDS),
  };

  const allowedOrigin = (request: WireRequest): string | undefined => {
    const { origin } = request.headers;
    // Sandboxed frames and local files of anybody send `null`.
    if (typeof origin !== "string" || origin === "null") return undefined;
    if (allowed.has("*")) return "*";
    return allowed.has(origin) ? origin : undefined;
  };

  return {
    grant(request, response) {
      if (allowed.size === 0) return;
      response.setHeader("vary", "Origin");
      const origin = allowedOrigin(request);
      if (origin === undefined) return;
      response.setHeader("access-control-allow-origin", origin);
      response.setHeader("access-control-expose-headers", cors.exposedHeaders.join(", "));
    },

    answerPreflight(request, response) {
      if (allowed.size === 0 || !isPreflight(request)) return false;
      const granted = allowedOrigin(request) !== undefined;
      setHead(response, granted ? 204 : 403, granted ? preflightHeaders : {});
      response.end();
      return true;
    },
  };
}

function isPreflight(request: WireRequest): boolean {
  const { origin, "access-control-request-method": method } = request.headers;
  return request.method === "OPTIONS" && origin !== undefined && method !== undefined;
}
