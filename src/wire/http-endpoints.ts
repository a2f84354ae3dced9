import type { Readiness } from "./readiness.ts";
import type { WireRequest, WireResponse } from "./request.ts";

type Endpoint = () => Promise<{ readonly status: number; readonly body: object }>;

/** The endpoints for probes and load balancers that speak plain HTTP, by path. */
export function createHttpEndpoints(readiness: Readiness): ReadonlyMap<string, Endpoint> {
  return new Map<string, Endpoint>([
    ["/healthz", async () => ({ status: 200, body: { status: "alive" } })],
    [
      "/readyz",
      async () =>
        (await readiness.check())
          ? { status: 200, body: { status: "ready" } }
          : { status: 503, body: { status: readiness.draining.aborted ? "draining" : "unavailable" } },
    ],
  ]);
}

/** Answers GET and HEAD by the endpoint, and refuses all other methods. */
export async function serveEndpoint(endpoint: Endpoint, request: WireRequest, response: WireResponse): Promise<void> {
  if (request.method !== "GET" && request.method !== "HEAD") return refuseMethod(response, "GET, HEAD");
  const { status, body } = await endpoint();
  sendJson(response, status, body, request.method === "HEAD");
}

export function refuseMethod(response: WireResponse, allowed: string): void {
  response.setHeader("allow", allowed);
  sendJson(response, 405, { code: "unimplemented", message: `use ${allowed}` });
}

/** For a content type that no protocol has: mostly a curl without a header. */
export function refuseType(response: WireResponse): void {
  const types = "application/json, application/proto, application/grpc or application/grpc-web";
  response.setHeader("accept-post", types.replace(" or", ","));
  sendJson(response, 415, { code: "invalid_argument", message: `set the header content-type to ${types}` });
}

/** @param bodiless send the headers only, as for HEAD. */
export function sendJson(response: WireResponse, status: number, body: object, bodiless = false): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  if (!bodiless) response.write(text);
  response.end();
}
