import { CREATE } from "./raw.ts";

/** HTTP/2 frame by frame (RFC 9113), for what no client library would send. */

export const Type = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;
export const PRIORITY = 0x20;

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export type Fields = readonly (readonly [name: string, value: string])[];

/** What a gRPC request for Create begins with. */
export const REQUEST: Fields = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", CREATE],
  [":authority", "x"],
  ["content-type", "application/grpc"],
  ["te", "trailers"],
];

/** What a client begins its connection with: the preface and its settings, by default none. */
export function opening(values: Readonly<Record<number, number>> = {}): Buffer {
  return Buffer.concat([PREFACE, settings(values)]);
}

/** A gRPC request for Create: its header frame, and a frame for the body. */
export function request(stream: number, body: Uint8Array, { end = true } = {}): Buffer[] {
  return [headers(stream, REQUEST, END_HEADERS), data(stream, body, end ? END_STREAM : 0)];
}

/** Ends a stream with an error code; 0: as if all were well. */
export function reset(stream: number, code: number): Buffer {
  return http2Frame(Type.RST_STREAM, 0, stream, uint32(code));
}

export function headers(stream: number, fields: Fields, flags = END_HEADERS | END_STREAM): Buffer {
  return http2Frame(Type.HEADERS, flags, stream, block(fields));
}

export function data(stream: number, body: Uint8Array, flags = 0): Buffer {
  return http2Frame(Type.DATA, flags, stream, body);
}

export function settings(values: Readonly<Record<number, number>>): Buffer {
  const each = Object.entries(values).map(([id, value]) => Buffer.concat([Buffer.of(0, Number(id)), uint32(value)]));
  return http2Frame(Type.SETTINGS, 0, 0, Buffer.concat(each));
}

export function widen(stream: number, bytes: number): Buffer {
  return http2Frame(Type.WINDOW_UPDATE, 0, stream, uint32(bytes));
}

export function http2Frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Headers in HPACK's plainest form: not indexed, no Huffman code. */
export function block(fields: Fields): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]));
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  return Buffer.concat([integer(0, 7, bytes.length), bytes]);
}

/** RFC 7541, section 5.1. */
export function integer(first: number, prefixBits: number, value: number): Buffer {
  const most = 2 ** prefixBits - 1;
  if (value < most) return Buffer.of(first | value);
  const bytes = [first | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
