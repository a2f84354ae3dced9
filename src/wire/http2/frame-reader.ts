import { BytePile } from "./byte-pile.ts";
import { ConnectionError, ErrorCode, FRAME_HEAD_BYTES, MAX_FRAME_BYTES } from "./frames.ts";

export type TakeFrame = (type: number, flags: number, stream: number, payload: Buffer) => void;

/** Cuts what comes in into frames, wherever its chunks end. */
export class FrameReader {
  readonly #take: TakeFrame;
  readonly #held = new BytePile();
  /** How many bytes it takes to go on. */
  #needed = FRAME_HEAD_BYTES;

  constructor(take: TakeFrame) {
    this.#take = take;
  }

  /** @throws ConnectionError for a frame that is too long, and what `take` throws. */
  read(chunk: Buffer): void {
    this.#held.add(chunk);
    if (this.#held.size < this.#needed) return;
    const bytes = this.#held.take();
    this.#held.add(bytes.subarray(this.#takeFrames(bytes)));
  }

  /** Takes all that are whole, and answers where they end. */
  #takeFrames(bytes: Buffer): number {
    let at = 0;
    while (bytes.length - at >= FRAME_HEAD_BYTES) {
      const length = bytes.readUIntBE(at, 3);
      if (length > MAX_FRAME_BYTES) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "a frame is too long");
      const start = at + FRAME_HEAD_BYTES;
      const end = start + length;
      if (end > bytes.length) {
        this.#needed = end - at;
        return at;
      }
      const stream = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
      this.#take(bytes[at + 3] as number, bytes[at + 4] as number, stream, bytes.subarray(start, end));
      at = end;
    }
    this.#needed = FRAME_HEAD_BYTES;
    return at;
  }
}
