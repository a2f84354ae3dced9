import { createServer } from "node:net";
import { TextHmac } from "../../src/domain/hmac.ts";
import { MESSAGE_HEAD_BYTES, sealFrame } from "../../src/wire/grpc-frame.ts";
import { Http2Connection } from "../../src/wire/http2/connection.ts";
import { encodeHeaders } from "../../src/wire/http2/header-encoder.ts";
import type { Http2Stream, StreamListener } from "../../src/wire/http2/stream.ts";
import { defaultLimits } from "../../src/wire/limits.ts";
import { bareKey, UNKNOWN_ANSWER } from "../tokens/bare-answers.ts";
import { announce, connectValues } from "./environment.ts";

// What nobody can leave out of an introspection: the call, an HMAC of each secret and a value of Redis, and an answer that lies ready
// there. So this is the most that batches can bring.

const values = connectValues();
const hmac = new TextHmac(Buffer.alloc(32, 7));
const DIGEST = Buffer.alloc(32);
const HEAD = encodeHeaders([
  [":status", "200"],
  ["content-type", "application/grpc"],
]);
const TRAILERS = encodeHeaders([["grpc-status", "0"]]);
/** Heads of fields: a tag and a length of one byte. */
const FIELD_BYTES = 2;
const ID_BYTES = 19;
const MOST_ANSWER_BYTES = 1000;

function accept(stream: Http2Stream): StreamListener {
  const chunks: Buffer[] = [];
  return {
    onData(bytes) {
      stream.grant(bytes.length);
      chunks.push(bytes);
    },
    onEnd: () => void answer(stream, Buffer.concat(chunks)),
    onClose: () => {},
  };
}

async function answer(stream: Http2Stream, body: Buffer): Promise<void> {
  const isBatch = stream.head.path.endsWith("BatchIntrospect");
  const secrets = isBatch ? secretsIn(body) : [body.toString("latin1", MESSAGE_HEAD_BYTES + FIELD_BYTES)];
  const answers = await values.getMany(secrets.map((secret) => bareKey(idOf(secret))));
  for (const secret of secrets) hmac.is(DIGEST, secret);
  const verdicts = answers.map((found) => found ?? UNKNOWN_ANSWER);
  stream.respond(HEAD);
  stream.send(isBatch ? frameOfMany(verdicts) : frameOfOne(verdicts[0] as Uint8Array));
  stream.finish(TRAILERS);
}

function secretsIn(body: Buffer): string[] {
  const secrets: string[] = [];
  for (let place = MESSAGE_HEAD_BYTES; place < body.length; ) {
    const end = place + FIELD_BYTES + (body[place + 1] as number);
    secrets.push(body.toString("latin1", place + 2 * FIELD_BYTES, end));
    place = end;
  }
  return secrets;
}

function idOf(secret: string): string {
  const start = secret.lastIndexOf("_") + 1;
  return secret.slice(start, start + ID_BYTES);
}

function frameOfOne(verdict: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(MESSAGE_HEAD_BYTES + verdict.length);
  frame.set(verdict, MESSAGE_HEAD_BYTES);
  return sealFrame(frame);
}

/** The verdicts as field 1 of one message. */
function frameOfMany(verdicts: readonly Uint8Array[]): Buffer {
  const frame = Buffer.allocUnsafe(MESSAGE_HEAD_BYTES + verdicts.length * MOST_ANSWER_BYTES);
  let place = MESSAGE_HEAD_BYTES;
  for (const verdict of verdicts) {
    frame[place++] = 0x0a;
    if (verdict.length >= 0x80) frame[place++] = (verdict.length & 0x7f) | 0x80;
    frame[place++] = verdict.length >= 0x80 ? verdict.length >> 7 : verdict.length;
    frame.set(verdict, place);
    place += verdict.length;
  }
  return sealFrame(frame.subarray(0, place));
}

announce(createServer((socket) => void new Http2Connection(socket, defaultLimits, accept, console.error)));
