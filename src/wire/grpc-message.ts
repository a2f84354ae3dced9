/**
 * The header `grpc-message` with as little percent-encoding as the gRPC protocol asks for. Connect encodes more than that,
 * which clients that decode no more than that, such as grpc-js, show to people as `ttl%3A too long`.
 */
export function readableMessage(headers: Headers): Headers {
  const encoded = headers.get("grpc-message");
  if (encoded !== null) headers.set("grpc-message", encodeGrpcMessage(decodeURIComponent(encoded)));
  return headers;
}

/** Percent-encodes all bytes but printable ASCII, and the percent sign itself. */
function encodeGrpcMessage(message: string): string {
  return message.toWellFormed().replace(/[^ -$&-~]+/g, encodeURIComponent);
}
