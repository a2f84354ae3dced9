import type { KeyTable } from "./keys.ts";

export interface MessageForm {
  readonly before: Buffer;
  readonly after: Buffer;
  readonly keysPerCall: number;
  /** With gRPC's five bytes in front. */
  readonly framed: boolean;
}

/** Writes the messages of calls, all of which are of one size. */
export interface Messages {
  readonly bytes: number;
  /** Writes the message that begins with the key of this pick to `target` at `at`. */
  write(target: Buffer, at: number, pick: number): void;
}

export function createMessages(keys: KeyTable, { before, after, keysPerCall, framed }: MessageForm): Messages {
  const item = before.length + keys.keyBytes + after.length;
  const head = keysPerCall > 1 ? Buffer.concat([Buffer.of(0x0a), varint(item)]) : Buffer.alloc(0);
  const content = keysPerCall * (head.length + item);
  const frame = Buffer.alloc(framed ? 5 : 0);
  if (framed) frame.writeUInt32BE(content, 1);

  return {
    bytes: frame.length + content,
    write(target, at, pick) {
      frame.copy(target, at);
      at += frame.length;
      for (let offset = 0; offset < keysPerCall; offset++) {
        head.copy(target, at);
        before.copy(target, at + head.length);
        at += head.length + before.length;
        keys.copyKey(pick + offset, target, at);
        after.copy(target, at + keys.keyBytes);
        at += keys.keyBytes + after.length;
      }
    },
  };
}

/** What stands in front of a text in a message of protobuf. */
export function fieldHead(field: number, bytes: number): Buffer {
  return Buffer.concat([Buffer.of((field << 3) | 2), varint(bytes)]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return Buffer.from([...bytes, value]);
}
