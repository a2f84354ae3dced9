import http2, { type OutgoingHttpHeaders } from "node:http2";
import { onTestFinished } from "vitest";
import type { RunningServer } from "../../src/wire/server.ts";

export const CREATE = "/latchkey.v1.TokenService/Create";

/** Five bytes of flags and length, and what is meant to be the message. */
export function frame(message: Uint8Array, { flags = 0, length = message.length } = {}): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

export interface RawAnswer {
  readonly headers: Record<string, unknown>;
  readonly trailers: Record<string, unknown>;
  readonly body: Buffer;
  /** With which the server closed the stream. */
  readonly resetCode: number | undefined;
}

export function openSession(
  server: RunningServer,
  options: http2.ClientSessionOptions | http2.SecureClientSessionOptions = {},
): http2.ClientHttp2Session {
  const session = http2.connect(server.url, options);
  session.on("error", () => undefined);
  onTestFinished(() => session.destroy());
  return session;
}

/** One HTTP/2 request, byte by byte as the test wants it. */
export async function send(
  session: http2.ClientHttp2Session,
  body: Uint8Array,
  headers: OutgoingHttpHeaders = {},
): Promise<RawAnswer> {
  const stream = session.request({
    ":method": "POST",
    ":path": CREATE,
    "content-type": "application/grpc",
    ...headers,
  });
  const answer: { headers: Record<string, unknown>; trailers: Record<string, unknown> } = { headers: {}, trailers: {} };
  stream.on("response", (received) => Object.assign(answer.headers, received));
  stream.on("trailers", (received) => Object.assign(answer.trailers, received));
  stream.on("error", () => undefined);
  stream.end(body);
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  await new Promise<void>((resolve) => stream.once("close", () => resolve()));
  return { ...answer, body: Buffer.concat(chunks), resetCode: stream.rstCode };
}

/** The status and the reason of a gRPC answer, wherever they stand. */
export function grpcStatusOf(answer: RawAnswer): { status: unknown; details: string } {
  const fields = { ...answer.headers, ...answer.trailers };
  const details = Buffer.from(String(fields["grpc-status-details-bin"] ?? ""), "base64").toString("latin1");
  return { status: fields["grpc-status"], details };
}
