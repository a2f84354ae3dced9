import { errorToJson } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { TokenError } from "../errors.ts";
import { protocolOf } from "./content-type.ts";
import { toConnectError } from "./error-details.ts";
import { readableMessage } from "./grpc-message.ts";
import { sendJson } from "./http-endpoints.ts";
import type { WireRequest, WireResponse } from "./request.ts";

/** Says in the caller's own protocol that there is no such method: Connect's bare 404 would be a riddle to gRPC clients. */
export function refuseUnknownPath(request: WireRequest, response: WireResponse): void {
  const protocol = protocolOf(request.headers["content-type"]);
  const error = toConnectError(new TokenError("METHOD_UNKNOWN", "no such method"));
  if (protocol === "connect") {
    sendJson(response, 404, Object(errorToJson(error, undefined)), request.method === "HEAD");
    return;
  }
  // A response of trailers only: one block of headers, and no body.
  const status = setTrailerStatus(new Headers({ "content-type": `application/${protocol}` }), error);
  response.writeHead(200, Object.fromEntries(readableMessage(status)));
  response.end();
}
