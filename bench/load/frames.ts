import { Flag, FRAME_HEAD_BYTES, FrameType } from "../../src/wire/http2/frames.ts";
import { unpad, withoutPriority } from "../../src/wire/http2/payload.ts";

/** What a frame of DATA or HEADERS carries. */
export function strip(type: number, flags: number, payload: Buffer): Buffer {
  const unpadded = flags & Flag.PADDED ? unpad(payload) : payload;
  return type === FrameType.HEADERS && flags & Flag.PRIORITY ? withoutPriority(unpadded) : unpadded;
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
  const bytes = Buffer.alloc(FRAME_HEAD_BYTES + payload.length);
  writeFrameHead(bytes, 0, { type, flags, stream, bytes: payload.length });
  bytes.set(payload, FRAME_HEAD_BYTES);
  return bytes;
}
