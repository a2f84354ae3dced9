import { parseContentType as parseConnect } from "@connectrpc/connect/protocol-connect";
import { parseContentType as parseGrpc } from "@connectrpc/connect/protocol-grpc";
import { parseContentType as parseGrpcWeb } from "@connectrpc/connect/protocol-grpc-web";

export type Protocol = "connect" | "grpc" | "grpc-web";

/** How the messages of a request are written. */
export interface Codec {
  readonly binary: boolean;
  /** Whether five bytes (flags and length) precede each message. */
  readonly enveloped: boolean;
}

/** The protocol that a request speaks, or tries to. */
export function protocolOf(contentType: string | undefined): Protocol {
  if (/^application\/grpc-web/i.test(contentType ?? "")) return "grpc-web";
  return /^application\/grpc/i.test(contentType ?? "") ? "grpc" : "connect";
}

/** The codec of a unary request, or undefined for a content type that the server does not take. */
export function codecOf(contentType: string | undefined): Codec | undefined {
  const type = contentType ?? null;
  const connect = parseConnect(type);
  if (connect) return connect.stream ? undefined : { binary: connect.binary, enveloped: false };
  const grpc = parseGrpc(type);
  if (grpc) return { binary: grpc.binary, enveloped: true };
  const web = parseGrpcWeb(type);
  return web && !web.text ? { binary: web.binary, enveloped: true } : undefined;
}
