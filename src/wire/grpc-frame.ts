import { TokenError } from "../errors.ts";

/** One byte of flags and four of length precede each message of gRPC. */
export const MESSAGE_HEAD_BYTES = 5;

/**
 * The length in bytes that a frame's head declares, without a look at the rest; undefined while the head is not whole.
 *
 * @throws MESSAGE_TOO_LARGE
 */
export function readFrameLength(start: Buffer, maxBytes: number): number | undefined {
  if (start.length < MESSAGE_HEAD_BYTES) return undefined;
  const length = start.readUInt32BE(1);
  if (length > maxBytes) throw tooLarge(maxBytes);
  return length;
}

/**
 * The message in a body that must be exactly one plain frame.
 *
 * @throws MESSAGE_TOO_LARGE, INVALID_REQUEST
 */
export function openFrame(body: Buffer, maxBytes: number): Uint8Array {
  const length = readFrameLength(body, maxBytes);
  if (length === undefined) throw unreadable("the message is incomplete");
  if (body[0] !== 0) throw unreadable("the message has flags that the server does not take");
  if (length !== body.length - MESSAGE_HEAD_BYTES) {
    throw unreadable("the request does not hold exactly one whole message");
  }
  return body.subarray(MESSAGE_HEAD_BYTES);
}

/** Makes a frame of a message with `MESSAGE_HEAD_BYTES` before it. */
export function sealFrame(frame: Buffer): Buffer {
  frame[0] = 0;
  frame.writeUInt32BE(frame.length - MESSAGE_HEAD_BYTES, 1);
  return frame;
}

export function unreadable(message: string): TokenError {
  return new TokenError("INVALID_REQUEST", message);
}

export function tooLarge(maxBytes: number): TokenError {
  return new TokenError("MESSAGE_TOO_LARGE", `the message is larger than ${maxBytes} bytes`);
}
