import fc from "fast-check";
import { expect, it } from "vitest";
import type { Http2Stream } from "../../../src/wire/http2/stream.ts";
import { serveStream } from "../../../src/wire/http2-exchange.ts";
import { block, END_HEADERS, END_STREAM, http2Frame, opening, REQUEST, Type, uint32 } from "../http2-bytes.ts";
import { dialPeer } from "./peer.ts";
import { listen, OK, type Serve } from "./world.ts";

const BODY = Buffer.alloc(3000, 1);

/** Answers at once, later, in parts, or never; takes the body or not; and now and then cuts the stream off. */
const serve: Serve = (stream) => {
  switch ((stream.id >> 1) % 6) {
    case 0:
      stream.respond(OK, true);
      return {};
    case 1:
      return { onEnd: () => void setImmediate(() => stream.respond(OK, true)) };
    case 2:
      stream.respond(OK);
      return { onData: (bytes) => stream.grant(bytes.length), onEnd: () => sendAll(stream) };
    case 3:
      return { onData: () => stream.reset(8) };
    case 4:
      return serveStream(stream, (request, response) => void request.pipe(response));
    default:
      return {};
  }
};

function sendAll(stream: Http2Stream): void {
  stream.send(BODY);
  stream.finish(OK);
}

const stream = fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 12 }).map((n) => 2 * n + 1) }, fc.nat(8));
const flags = fc.oneof(fc.constantFrom(0, END_STREAM, END_HEADERS, END_HEADERS | END_STREAM), fc.nat(255));
const window = fc.oneof(fc.nat(1000), fc.nat(2 ** 31 - 1)).map(uint32);
const setting = fc
  .tuple(fc.integer({ min: 1, max: 7 }), fc.oneof(fc.nat(70_000), fc.nat(0xffffffff)))
  .map(([id, value]) => Buffer.concat([Buffer.of(0, id), uint32(value)]));
const bytes = fc.uint8Array({ maxLength: 40 });

const frame = fc.oneof(
  fc.tuple(fc.constant(Type.HEADERS), flags, stream, fc.constant(block(REQUEST))),
  fc.tuple(fc.constant(Type.HEADERS), fc.constant(END_HEADERS), stream, fc.constant(block(REQUEST))),
  fc.tuple(fc.constant(Type.HEADERS), fc.constant(END_HEADERS | END_STREAM), stream, fc.constant(block(REQUEST))),
  fc.tuple(fc.constant(Type.DATA), flags, stream, fc.oneof(bytes, fc.constant(BODY))),
  fc.tuple(fc.constant(Type.WINDOW_UPDATE), fc.constant(0), stream, window),
  fc.tuple(fc.constant(Type.RST_STREAM), fc.constant(0), stream, fc.constant(uint32(8))),
  fc.tuple(fc.constant(Type.SETTINGS), fc.constant(0), fc.constant(0), setting),
  fc.tuple(fc.nat(11), flags, stream, bytes),
);

it("whatever frames come, nothing is thrown, no stream is left, and the connection answers or ends", async () => {
  const served = await listen(serve, { maxConcurrentStreams: 5 });
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { maxLength: 40 }), fc.integer({ min: 1, max: 200 }), async (frames, size) => {
      const peer = await dialPeer(served.port, { greet: false });
      const said = Buffer.concat([
        opening({ 4: 50 }),
        ...frames.map(([type, flags, id, payload]) => http2Frame(type, flags, id, payload)),
      ]);
      for (let at = 0; at < said.length; at += size * 20) peer.send(said.subarray(at, at + size * 20));
      peer.socket.end();
      await peer.closed;
      const connection = served.connections.at(-1);
      await expect.poll(() => connection?.socket.closed, { interval: 2 }).toBe(true);
      expect([served.open(), served.faults]).toEqual([0, []]);
    }),
    { numRuns: 400, seed: 9113 },
  );
});
