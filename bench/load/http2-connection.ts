import { connect } from "node:net";
import { FrameReader } from "../../src/wire/http2/frame-reader.ts";
import { Flag, FRAME_HEAD_BYTES, FrameType, MAX_FRAME_BYTES } from "../../src/wire/http2/frames.ts";
import type { Header } from "../../src/wire/http2/header.ts";
import { HeaderDecoder } from "../../src/wire/http2/header-decoder.ts";
import { PREFACE } from "../../src/wire/preface.ts";
import type { Answer, Connection, ConnectionOptions, Exchange } from "./connection.ts";
import { frame, strip, writeFrameHead } from "./frames.ts";
import { encodeTwice } from "./hpack.ts";

/** Nothing is pushed, and each answer may be as large as it likes. */
const OUR_SETTINGS = Buffer.from("0002000000000004" + "01000000", "hex");
const OUR_WINDOW = 2 ** 30;
const NOTHING = new Uint8Array(0);
const THEIR_WINDOW = 65_535;
/** More than any server answers with. */
const MAX_HEADER_BYTES = 1024 * 1024;

/** A stream whose answer is not complete. */
interface Stream extends Exchange {
  status: string | undefined;
  grpcStatus: string | undefined;
  grpcMessage: string;
  body: Buffer | undefined;
}

/**
 * HTTP/2 by hand, over a socket: a client that costs several times less than the servers that it measures, and that looks at
 * every answer.
 */
export function openHttp2(options: ConnectionOptions): Connection {
  const { url, path, headers, messages, grpc, onAnswer, onRead } = options;
  if (messages.bytes > MAX_FRAME_BYTES) throw new Error("a message has to fit into one frame");
  const blocks = encodeTwice([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", url.host],
    ...Object.entries(headers),
  ]);
  const socket = connect(Number(url.port), url.hostname).setNoDelay();
  const decoder = new HeaderDecoder(MAX_HEADER_BYTES);
  const streams = new Map<number, Stream>();
  let nextStream = 1;
  let window = THEIR_WINDOW;
  let received = 0;
  const held: Exchange[] = [];
  let out = Buffer.allocUnsafe(64 * 1024);
  let written = 0;

  const connection: Connection = {
    get underWay() {
      return streams.size + held.length;
    },
    call(exchange) {
      if (held.length > 0 || window < messages.bytes) held.push(exchange);
      else begin(exchange);
    },
    flush() {
      if (written === 0) return;
      // A copy, because the socket may keep it for a while.
      socket.write(Buffer.from(out.subarray(0, written)));
      written = 0;
    },
    leave() {
      begin({ pick: 0, due: 0 }, Math.floor(messages.bytes / 2));
      connection.flush();
      socket.removeAllListeners("data").removeAllListeners("close").destroySoon();
    },
  };

  function begin(exchange: Exchange, cutAt = messages.bytes): void {
    const block = nextStream === 1 ? blocks.first : blocks.later;
    const bytes = 2 * FRAME_HEAD_BYTES + block.length + messages.bytes;
    if (written + bytes > out.length) connection.flush();
    if (bytes > out.length) out = Buffer.allocUnsafe(bytes);
    writeFrameHead(out, written, {
      type: FrameType.HEADERS,
      flags: Flag.END_HEADERS,
      stream: nextStream,
      bytes: block.length,
    });
    block.copy(out, written + FRAME_HEAD_BYTES);
    written += FRAME_HEAD_BYTES + block.length;
    writeFrameHead(out, written, {
      type: FrameType.DATA,
      flags: Flag.END_STREAM,
      stream: nextStream,
      bytes: messages.bytes,
    });
    messages.write(out, written + FRAME_HEAD_BYTES, exchange.pick);
    written += FRAME_HEAD_BYTES + cutAt;
    window -= messages.bytes;
    streams.set(nextStream, {
      ...exchange,
      status: undefined,
      grpcStatus: undefined,
      grpcMessage: "",
      body: undefined,
    });
    nextStream += 2;
  }

  function take(type: number, flags: number, id: number, payload: Buffer): void {
    const open = streams.get(id);
    switch (type) {
      case FrameType.HEADERS: {
        if (!(flags & Flag.END_HEADERS)) throw new Error("answers with headers of several frames are not provided for");
        // Also where nobody waits for it: the next block refers to it.
        const found = decoder.decode(strip(type, flags, payload)) ?? [];
        if (open) noteHeaders(open, found);
        break;
      }
      case FrameType.DATA: {
        const bytes = strip(type, flags, payload);
        if (open) open.body = open.body ? Buffer.concat([open.body, bytes]) : bytes;
        received += payload.length;
        if (received > OUR_WINDOW / 2) giveWindow();
        break;
      }
      case FrameType.RST_STREAM:
        streams.delete(id);
        if (open) onAnswer(connection, open, { fault: `the server reset the stream (${payload.readUInt32BE()})` });
        return;
      case FrameType.SETTINGS:
      case FrameType.PING:
        if (!(flags & Flag.ACK)) socket.write(frame(type, Flag.ACK, 0, type === FrameType.PING ? payload : NOTHING));
        return;
      case FrameType.WINDOW_UPDATE:
        if (id !== 0) return;
        window += payload.readUInt32BE();
        while (held.length > 0 && window >= messages.bytes) begin(held.shift() as Exchange);
        return;
      case FrameType.GOAWAY:
        fail(`the server sent GOAWAY (${payload.readUInt32BE(4)})`);
        return;
      default:
        return;
    }
    if (open && flags & Flag.END_STREAM) end(id, open);
  }

  function end(id: number, stream: Stream): void {
    streams.delete(id);
    onAnswer(connection, stream, judge(stream, grpc));
  }

  function giveWindow(): void {
    const increment = Buffer.alloc(4);
    increment.writeUInt32BE(received);
    socket.write(frame(FrameType.WINDOW_UPDATE, 0, 0, increment));
    received = 0;
  }

  function fail(fault: string): void {
    const lost = [...streams.values(), ...held.splice(0)];
    streams.clear();
    for (const exchange of lost) onAnswer(connection, exchange, { fault });
  }

  const reader = new FrameReader(take);
  socket.on("data", (chunk) => {
    reader.read(chunk);
    onRead(connection);
  });
  socket.on("error", () => {});
  socket.on("close", () => fail("the server closed the connection"));
  const widen = Buffer.alloc(4);
  widen.writeUInt32BE(OUR_WINDOW);
  socket.write(
    Buffer.concat([
      PREFACE,
      frame(FrameType.SETTINGS, 0, 0, OUR_SETTINGS),
      frame(FrameType.WINDOW_UPDATE, 0, 0, widen),
    ]),
  );
  return connection;
}

function noteHeaders(stream: Stream, headers: readonly Header[]): void {
  for (const { name, value } of headers) {
    if (name === ":status") stream.status = value;
    else if (name === "grpc-status") stream.grpcStatus = value;
    else if (name === "grpc-message") stream.grpcMessage = value;
  }
}

function judge({ status, grpcStatus, grpcMessage, body }: Stream, grpc: boolean): Answer {
  if (status !== "200") return { fault: `HTTP status ${status}: ${body?.toString().slice(0, 200)}` };
  if (!grpc) return body ? { message: body } : { fault: "no message" };
  if (grpcStatus !== "0") return { fault: `grpc-status ${grpcStatus}: ${grpcMessage}` };
  if (!body) return { fault: "no message" };
  if (body.length < 5 || body[0] !== 0 || body.readUInt32BE(1) !== body.length - 5)
    return { fault: "not one plain frame" };
  return { message: body.subarray(5) };
}
