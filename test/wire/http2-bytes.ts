import { CREATE } from "./raw.ts";

/** HTTP/2 frame by frame (RFC 9113), for what no client library would send. */

const END_STREAM = 0x1;
const END_HEADERS = 0x4;

/** What a client begins its connection with: the preface and settings that change nothing. */
export function opening(): Buffer {
  return Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), http2Frame(0x4, 0, 0, Buffer.alloc(0))]);
}

/** A gRPC request for Create: its header frame, and a frame for the body. */
export function request(stream: number, body: Uint8Array, { end = true } = {}): Buffer[] {
  const headers = {
    ":method": "POST",
    ":scheme": "http",
    ":path": CREATE,
    ":authority": "x",
    "content-type": "application/grpc",
    te: "trailers",
  };
  return [
    http2Frame(0x1, END_HEADERS, stream, Buffer.concat(Object.entries(headers).map(literal))),
    http2Frame(0x0, end ? END_STREAM : 0, stream, body),
  ];
}

/** Ends a stream with an error code; 0: as if all were well. */
export function reset(stream: number, code: number): Buffer {
  return http2Frame(0x3, 0, stream, Buffer.of(0, 0, 0, code));
}

function http2Frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A header in HPACK's plainest form: not indexed, no Huffman code. */
function literal([name, value]: [string, string]): Buffer {
  return Buffer.concat([Buffer.of(0, name.length), Buffer.from(name), Buffer.of(value.length), Buffer.from(value)]);
}
