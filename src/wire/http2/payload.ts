import { broken, ConnectionError, ErrorCode } from "./frames.ts";

const PRIORITY_BYTES = 5;

const GOAWAY_BYTES = 8;

/** @throws ConnectionError */
export function requireSize(payload: Buffer, size: number): void {
  if (payload.length !== size) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "a frame has not its size");
}

/** What is wrong with a GOAWAY: of what it says, nothing concerns us. @throws ConnectionError */
export function checkGoaway(stream: number, payload: Buffer): void {
  if (stream !== 0) throw broken("a client leaves with all its streams");
  if (payload.length < GOAWAY_BYTES) throw tooShort();
}

/** Priorities are not gone by; but they have to be right. @throws ConnectionError */
export function checkPriority(stream: number, payload: Buffer): void {
  if (stream === 0) throw broken("a priority is a stream's");
  requireSize(payload, PRIORITY_BYTES);
}

/**
 * Without the padding and its length (RFC 9113, section 6.1).
 *
 * @throws ConnectionError
 */
export function unpad(payload: Buffer): Buffer {
  const [padding] = payload;
  if (padding === undefined) throw tooShort();
  const end = payload.length - padding;
  if (end < 1) throw broken("there is more padding than frame");
  return payload.subarray(1, end);
}

/**
 * Without the priority, of which HTTP/2 says now that nobody should go by it (RFC 9113, section 5.3).
 *
 * @throws ConnectionError
 */
export function withoutPriority(payload: Buffer): Buffer {
  if (payload.length < PRIORITY_BYTES) throw tooShort();
  return payload.subarray(PRIORITY_BYTES);
}

function tooShort(): ConnectionError {
  return new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "a frame breaks off");
}
