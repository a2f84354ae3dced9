import { connect } from "node:net";
import type { Answer, Connection, ConnectionOptions, Exchange } from "./connection.ts";
import {
  ACK,
  CONTINUATION,
  createFrameReader,
  DATA,
  END_HEADERS,
  END_STREAM,
  FRAME_HEAD,
  type Frame,
  frame,
  GOAWAY,
  HEADERS,
  PING,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
  writeFrameHead,
} from "./frames.ts";
import { createDecoder, encodeTwice, type Header } from "./hpack.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
/** Nothing is pushed, and each answer may be as large as it likes. */
const OUR_SETTINGS = Buffer.from("0002000000000004" + "01000000", "hex");
const OUR_WINDOW = 2 ** 30;
const THEIR_WINDOW = 65_535;
const MAX_FRAME = 16_384;

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
  if (messages.bytes > MAX_FRAME) throw new Error("a message has to fit into one frame");
  const blocks = encodeTwice([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", url.host],
    ...Object.entries(headers),
  ]);
  const socket = connect(Number(url.port), url.hostname).setNoDelay();
  const decode = createDecoder();
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
    const bytes = 2 * FRAME_HEAD + block.length + messages.bytes;
    if (written + bytes > out.length) connection.flush();
    if (bytes > out.length) out = Buffer.allocUnsafe(bytes);
    writeFrameHead(out, written, { type: HEADERS, flags: END_HEADERS, stream: nextStream, bytes: block.length });
    block.copy(out, written + FRAME_HEAD);
    written += FRAME_HEAD + block.length;
    writeFrameHead(out, written, { type: DATA, flags: END_STREAM, stream: nextStream, bytes: messages.bytes });
    messages.write(out, written + FRAME_HEAD, exchange.pick);
    written += FRAME_HEAD + cutAt;
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

  const takers: Record<number, (frame: Frame) => void> = {
    [HEADERS]({ flags, stream, payload }) {
      if (!(flags & END_HEADERS)) throw new Error("answers with headers of several frames are not provided for");
      const open = streams.get(stream);
      // Also where nobody waits for it: the next block refers to it.
      const found = decode(payload);
      if (open) noteHeaders(open, found);
      if (open && flags & END_STREAM) end(stream, open);
    },
    [DATA]({ flags, stream, payload }) {
      const open = streams.get(stream);
      if (open) open.body = open.body ? Buffer.concat([open.body, payload]) : payload;
      received += payload.length;
      if (received > OUR_WINDOW / 2) giveWindow();
      if (open && flags & END_STREAM) end(stream, open);
    },
    [RST_STREAM]({ stream, payload }) {
      const open = streams.get(stream);
      streams.delete(stream);
      if (open) onAnswer(connection, open, { fault: `the server reset the stream (${payload.readUInt32BE()})` });
    },
    [SETTINGS]({ flags }) {
      if (!(flags & ACK)) socket.write(frame(SETTINGS, ACK, 0, Buffer.alloc(0)));
    },
    [PING]({ flags, payload }) {
      if (!(flags & ACK)) socket.write(frame(PING, ACK, 0, payload));
    },
    [WINDOW_UPDATE]({ stream, payload }) {
      if (stream !== 0) return;
      window += payload.readUInt32BE();
      while (held.length > 0 && window >= messages.bytes) begin(held.shift() as Exchange);
    },
    [GOAWAY]({ payload }) {
      fail(`the server sent GOAWAY (${payload.readUInt32BE(4)})`);
    },
    [CONTINUATION]() {
      throw new Error("answers with headers of several frames are not provided for");
    },
  };

  function end(id: number, stream: Stream): void {
    streams.delete(id);
    onAnswer(connection, stream, judge(stream, grpc));
  }

  function giveWindow(): void {
    const increment = Buffer.alloc(4);
    increment.writeUInt32BE(received);
    socket.write(frame(WINDOW_UPDATE, 0, 0, increment));
    received = 0;
  }

  function fail(fault: string): void {
    const lost = [...streams.values(), ...held.splice(0)];
    streams.clear();
    for (const exchange of lost) onAnswer(connection, exchange, { fault });
  }

  const read = createFrameReader((found) => takers[found.type]?.(found));
  socket.on("data", (chunk) => {
    read(chunk);
    onRead(connection);
  });
  socket.on("error", () => {});
  socket.on("close", () => fail("the server closed the connection"));
  const widen = Buffer.alloc(4);
  widen.writeUInt32BE(OUR_WINDOW);
  socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, OUR_SETTINGS), frame(WINDOW_UPDATE, 0, 0, widen)]));
  return connection;
}

function noteHeaders(stream: Stream, headers: readonly Header[]): void {
  for (const [name, value] of headers) {
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
