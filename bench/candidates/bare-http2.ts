import { createServer, type ServerHttp2Stream } from "node:http2";
import { FRAME_HEAD_BYTES, sealFrame } from "../../src/wire/grpc-frame.ts";
import { bareKey, UNKNOWN_ANSWER } from "../tokens/bare-answers.ts";
import { announce, connectRedis } from "./environment.ts";

// The limit: what Node's http2 and one GET cost by themselves. The answer lies ready in Redis, and nothing is checked: not the
// caller, not the path, not even the secret.

const redis = connectRedis();
/** Five bytes of frame and two of field, then `<prefix>_<id>…`. */
const HEAD = 7;
const ID_BYTES = 19;
const unknown = frameOf(UNKNOWN_ANSWER);

async function answer(stream: ServerHttp2Stream, body: Buffer): Promise<void> {
  const start = body.indexOf("_", body.indexOf("_", HEAD) + 1) + 1;
  const message = await redis.getBuffer(bareKey(body.toString("latin1", start, start + ID_BYTES)));
  if (stream.closed) return;
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.respond([":status", "200", "content-type", "application/grpc"], { waitForTrailers: true });
  stream.end(message ? frameOf(message) : unknown);
}

function frameOf(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + message.length);
  frame.set(message, FRAME_HEAD_BYTES);
  return sealFrame(frame);
}

const server = createServer();
server.on("stream", (stream) => {
  const chunks: Buffer[] = [];
  stream.on("error", () => {});
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("end", () => {
    answer(stream, chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)).catch(() => stream.destroy());
  });
});
server.on("sessionError", () => {});
announce(server);
