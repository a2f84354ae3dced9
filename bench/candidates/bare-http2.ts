import { createServer, type ServerHttp2Stream } from "node:http2";
import { bareKey, frameOf, idIn, UNKNOWN_ANSWER } from "../tokens/bare-answers.ts";
import { announce, connectValues } from "./environment.ts";

// The limit: what Node's http2 and one value of Redis cost by themselves. The answer lies ready in Redis, and nothing is checked: not the
// caller, not the path, not even the secret.

const values = connectValues();
async function answer(stream: ServerHttp2Stream, body: Buffer): Promise<void> {
  const message = await values.get(bareKey(idIn(body)));
  if (stream.closed) return;
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.respond([":status", "200", "content-type", "application/grpc"], { waitForTrailers: true });
  stream.end(frameOf(message ?? UNKNOWN_ANSWER));
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
