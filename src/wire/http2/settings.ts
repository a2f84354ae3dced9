import { ConnectionError, ErrorCode, MAX_FRAME_BYTES } from "./frames.ts";
import { MAX_WINDOW } from "./stream.ts";

/** RFC 9113, section 6.5.2. */
const Setting = {
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
} as const;

const SETTING_BYTES = 6;
const LARGEST_FRAME_BYTES = 2 ** 24 - 1;

/** What we tell clients; all else is as the protocol has it. */
export function writeSettings(limits: { readonly maxConcurrentStreams: number; readonly headerBytes: number }): Buffer {
  const settings = [
    [Setting.MAX_CONCURRENT_STREAMS, limits.maxConcurrentStreams],
    [Setting.MAX_HEADER_LIST_SIZE, limits.headerBytes],
  ] as const;
  const bytes = Buffer.alloc(settings.length * SETTING_BYTES);
  settings.forEach(([id, value], index) => {
    bytes.writeUInt16BE(id, index * SETTING_BYTES);
    bytes.writeUInt32BE(value, index * SETTING_BYTES + 2);
  });
  return bytes;
}

/**
 * Looks through what a client tells us, and answers its window for each stream, if it says one: nothing else concerns us, since our
 * frames are never longer than all have to take, nothing is pushed, and no table of headers is used.
 *
 * @throws ConnectionError for values that there are not.
 */
export function readWindow(payload: Buffer): number | undefined {
  if (payload.length % SETTING_BYTES !== 0) {
    throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "the settings break off");
  }
  let window: number | undefined;
  for (let at = 0; at < payload.length; at += SETTING_BYTES) {
    const id = payload.readUInt16BE(at);
    const value = payload.readUInt32BE(at + 2);
    if (id === Setting.INITIAL_WINDOW_SIZE) {
      if (value > MAX_WINDOW) throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "the window is too large");
      window = value;
    } else if (id === Setting.ENABLE_PUSH ? value > 1 : id === Setting.MAX_FRAME_SIZE && !isFrameSize(value)) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `there is no such value of setting ${id}`);
    }
  }
  return window;
}

function isFrameSize(value: number): boolean {
  return value >= MAX_FRAME_BYTES && value <= LARGEST_FRAME_BYTES;
}
