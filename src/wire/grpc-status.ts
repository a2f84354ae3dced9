import type { ConnectError } from "@connectrpc/connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { readableMessage } from "./grpc-message.ts";

/** An error as the headers of a gRPC response of trailers only: one block of headers, and no body. */
export function statusHeaders(contentType: string, error: ConnectError): Record<string, string> {
  const status = setTrailerStatus(new Headers({ "content-type": contentType }), error);
  return Object.fromEntries(readableMessage(status));
}
