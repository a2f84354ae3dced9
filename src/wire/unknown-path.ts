import { errorToJson } from "@connectrpc/connect/protocol-connect";
import { TokenError } from "../errors.ts";
import { protocolOf } from "./content-type.ts";
import { toConnectError } from "./error-details.ts";
import { statusHeaders } from "./grpc-status.ts";
import { sendJson } from "./http-endpoints.ts";
import { setHead, type WireRequest, type WireResponse } from "./request.ts";

/** Says in the caller's own protocol that there is no such method: Connect's bare 404 would be a riddle to gRPC clients. */
export function refuseUnknownPath(request: WireRequest, response: WireResponse): void {
  const protocol = protocolOf(request.headers["content-type"]);
  const error = toConnectError(new TokenError("METHOD_UNKNOWN", "no such method"));
  if (protocol === "connect") {
    sendJson(response, 404, Object(errorToJson(error, undefined)), request.method === "HEAD");
    return;
  }
  setHead(response, 200, statusHeaders(`application/${protocol}`, error));
  response.end();
}
