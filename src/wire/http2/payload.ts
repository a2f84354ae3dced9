import { broken, ConnectionError, ErrorCode } from "./frames.ts";

const PRIORITY_BYTES = 5;

/** @throws ConnectionError */
export function requireSize(payload: Buffer, size: number): void {
  if (payload.length !== size) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "a frame has not its size");
}

/**
 * Without the padding and its length (RFC 9113, section 6.1).
 *
 * @throws ConnectionError
 */
export function unpad(payload: Buffer): Buffer {
  const end = payload.length - (payload[0] ?? 0);
  if (end < 1) throw broken("there is more padding than frame");
  return payload.subarray(1, end);
}

/**
 * Without the priority, of which HTTP/2 says now that nobody should go by it (RFC 9113, section 5.3).
 *
 * @throws ConnectionError
 */
export function withoutPriority(payload: Buffer): Buffer {
  if (payload.length < PRIORITY_BYTES) throw broken("a priority breaks off");
  return payload.subarray(PRIORITY_BYTES);
}
