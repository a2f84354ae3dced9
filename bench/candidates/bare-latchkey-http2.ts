import { createServer } from "node:net";
import { Http2Connection } from "../../src/wire/http2/connection.ts";
import { encodeHeaders } from "../../src/wire/http2/header-encoder.ts";
import type { Http2Stream, StreamListener } from "../../src/wire/http2/stream.ts";
import { defaultLimits } from "../../src/wire/limits.ts";
import { bareKey, frameOf, idIn, UNKNOWN_ANSWER } from "../tokens/bare-answers.ts";
import { announce, connectValues } from "./environment.ts";

// The same as (a) on Latchkey's own HTTP/2: what of (b) is left when Latchkey itself is taken away.

const values = connectValues();
const HEAD = encodeHeaders([
  [":status", "200"],
  ["content-type", "application/grpc"],
]);
const TRAILERS = encodeHeaders([["grpc-status", "0"]]);

function accept(stream: Http2Stream): StreamListener {
  const chunks: Buffer[] = [];
  return {
    onData: (bytes) => void chunks.push(bytes),
    onEnd: () => void answer(stream, chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)),
    onClose: () => {},
  };
}

async function answer(stream: Http2Stream, body: Buffer): Promise<void> {
  const message = await values.get(bareKey(idIn(body)));
  stream.respond(HEAD);
  stream.send(frameOf(message ?? UNKNOWN_ANSWER));
  stream.finish(TRAILERS);
}

announce(createServer((socket) => void new Http2Connection(socket, defaultLimits, accept, console.error)));
