import type { HeaderOf } from "./request.ts";

/** The headers by which the protocols say that a request is compressed. */
export const ENCODING_HEADERS = ["grpc-encoding", "content-encoding", "connect-content-encoding"] as const;

export function isUncompressed(header: HeaderOf): boolean {
  return ENCODING_HEADERS.every((name) => (header(name) ?? "identity") === "identity");
}
