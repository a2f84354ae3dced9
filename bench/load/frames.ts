/** Types of HTTP/2 frames (RFC 9113, section 6). */
export const DATA = 0x0;
export const HEADERS = 0x1;
export const RST_STREAM = 0x3;
export const SETTINGS = 0x4;
export const PING = 0x6;
export const GOAWAY = 0x7;
export const WINDOW_UPDATE = 0x8;
export const CONTINUATION = 0x9;

export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;
const PADDED = 0x8;
const PRIORITY = 0x20;

export const FRAME_HEAD = 9;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  /** Without padding and priority. */
  readonly payload: Buffer;
}

/** Cuts what comes in into frames, wherever its chunks end. */
export function createFrameReader(onFrame: (frame: Frame) => void): (chunk: Buffer) => void {
  let rest: Buffer | undefined;
  return (chunk) => {
    const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (bytes.length - at >= FRAME_HEAD) {
      const end = at + FRAME_HEAD + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      const type = bytes[at + 3] as number;
      const flags = bytes[at + 4] as number;
      const stream = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
      onFrame({ type, flags, stream, payload: strip(type, flags, bytes.subarray(at + FRAME_HEAD, end)) });
      at = end;
    }
    rest = at < bytes.length ? bytes.subarray(at) : undefined;
  };
}

function strip(type: number, flags: number, payload: Buffer): Buffer {
  if (type !== DATA && type !== HEADERS) return payload;
  const isPadded = (flags & PADDED) !== 0;
  const start = (isPadded ? 1 : 0) + (type === HEADERS && flags & PRIORITY ? 5 : 0);
  return start === 0 ? payload : payload.subarray(start, payload.length - (isPadded ? (payload[0] as number) : 0));
}

/** Writes the head of a frame to `target` at `at`. */
export function writeFrameHead(
  target: Buffer,
  at: number,
  { type, flags, stream, bytes }: { type: number; flags: number; stream: number; bytes: number },
): void {
  target.writeUIntBE(bytes, at, 3);
  target[at + 3] = type;
  target[at + 4] = flags;
  target.writeUInt32BE(stream, at + 5);
}

export function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(FRAME_HEAD + payload.length);
  writeFrameHead(bytes, 0, { type, flags, stream, bytes: payload.length });
  bytes.set(payload, FRAME_HEAD);
  return bytes;
}
