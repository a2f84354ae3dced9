import type { Readiness } from "./readiness.ts";
import { setHead, type WireRequest, type WireResponse } from "./request.ts";

interface Answer {
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

type Endpoint = () => Promise<Answer>;

/** Everybody may have the public keys, and keep them for five minutes: who changes keys waits that long between two steps. */
const PUBLIC = { "cache-control": "public, max-age=300", "access-control-allow-origin": "*" };

/**
 * The endpoints for what speaks plain HTTP, by path: probes, load balancers and verifiers of JWTs.
 *
 * @param publicKeys the JWK set (RFC 7517) as it is now.
 */
export function createHttpEndpoints(readiness: Readiness, publicKeys: () => object): ReadonlyMap<string, Endpoint> {
  return new Map<string, Endpoint>([
    ["/.well-known/jwks.json", async () => ({ status: 200, body: publicKeys(), headers: PUBLIC })],
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
  const { status, body, headers = {} } = await endpoint();
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
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
  setHead(response, status, { "content-type": "application/json", "content-length": String(Buffer.byteLength(text)) });
  if (!bodiless) response.write(text);
  response.end();
}
