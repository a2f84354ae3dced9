import type { IncomingHttpHeaders } from "node:http";

/** The headers by which the protocols say that a request is compressed. */
export const ENCODING_HEADERS = ["grpc-encoding", "content-encoding", "connect-content-encoding"] as const;

export function isUncompressed(headers: IncomingHttpHeaders): boolean {
  return ENCODING_HEADERS.every((name) => (headers[name] ?? "identity") === "identity");
}
