import type { Socket } from "node:net";
import { Flag, FRAME_HEAD_BYTES, FrameType, MAX_FRAME_BYTES } from "./frames.ts";

/** Where frames are laid side by side until they are written. */
const SHEET_BYTES = 32 * 1024;
/** Sheets that nobody writes on. One for each connection would be most of what an idle connection costs. */
const freeSheets: Buffer[] = [];
const MAX_FREE_SHEETS = 16;

/**
 * Writes frames to a socket: all of one turn of the event loop at once, because a write costs more than several answers.
 */
export class FrameWriter {
  readonly #socket: Socket;
  #sheet: Buffer | undefined;
  #size = 0;
  #endOfTurn: NodeJS.Immediate | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** A frame with a payload of `MAX_FRAME_BYTES` at most. */
  frame(type: number, flags: number, stream: number, payload: Uint8Array): void {
    this.part(type, flags, stream, payload, 0, payload.length);
  }

  /** A frame with the bytes from `start` to `end`. */
  part(type: number, flags: number, stream: number, source: Uint8Array, start: number, end: number): void {
    const length = end - start;
    const sheet = this.#reserve(FRAME_HEAD_BYTES + length);
    let at = this.#size;
    sheet[at++] = length >>> 16;
    sheet[at++] = length >>> 8;
    sheet[at++] = length;
    sheet[at++] = type;
    sheet[at++] = flags;
    at = sheet.writeUInt32BE(stream, at);
    if (length > 0) sheet.set(length === source.length ? source : source.subarray(start, end), at);
    this.#size = at + length;
  }

  /** A block of headers, in as many frames as it takes. */
  headers(stream: number, block: Uint8Array, endStream: boolean): void {
    const last = Math.max(1, Math.ceil(block.length / MAX_FRAME_BYTES)) - 1;
    for (let index = 0; index <= last; index++) {
      const flags = (index === 0 && endStream ? Flag.END_STREAM : 0) | (index === last ? Flag.END_HEADERS : 0);
      const start = index * MAX_FRAME_BYTES;
      const end = Math.min(start + MAX_FRAME_BYTES, block.length);
      this.part(index === 0 ? FrameType.HEADERS : FrameType.CONTINUATION, flags, stream, block, start, end);
    }
  }

  /** Hands over to the socket what is waiting for the end of the turn. */
  flush(): void {
    const sheet = this.#sheet;
    if (!sheet) return;
    this.#sheet = undefined;
    // A copy, because the socket may keep it for a while.
    if (!this.#socket.destroyed) this.#socket.write(Buffer.from(sheet.subarray(0, this.#size)));
    this.#size = 0;
    if (freeSheets.length < MAX_FREE_SHEETS) freeSheets.push(sheet);
  }

  /** Writes what waits, and lets what comes next wait for so many milliseconds, unless that is much. */
  rest(duration: number): void {
    this.flush();
    clearImmediate(this.#endOfTurn);
    this.#sheet = takeSheet();
    setTimeout(() => this.flush(), duration);
  }

  #reserve(bytes: number): Buffer {
    if (this.#size + bytes > SHEET_BYTES) this.flush();
    if (!this.#sheet) {
      this.#sheet = takeSheet();
      this.#endOfTurn = setImmediate(() => this.flush());
    }
    return this.#sheet;
  }
}

function takeSheet(): Buffer {
  return freeSheets.pop() ?? Buffer.allocUnsafeSlow(SHEET_BYTES);
}
