import { MESSAGE_HEAD_BYTES, readFrameLength, tooLarge } from "./grpc-frame.ts";
import { BytePile } from "./http2/byte-pile.ts";

/** How long a body may be. */
export interface BodyLimit {
  /** The largest message. */
  readonly maxBytes: number;
  /** Whether the message comes in a frame, whose head says how long it is. */
  readonly framed: boolean;
}

/** A body as far as it has come. What is too long is refused as soon as that is known. */
export class BodyBytes {
  readonly #limit: BodyLimit;
  readonly #most: number;
  readonly #pile = new BytePile();
  #knowsLength: boolean;

  constructor(limit: BodyLimit) {
    this.#limit = limit;
    this.#most = limit.framed ? limit.maxBytes + MESSAGE_HEAD_BYTES : limit.maxBytes;
    this.#knowsLength = !limit.framed;
  }

  /**
   * @param announced the header `content-length`
   * @throws MESSAGE_TOO_LARGE
   */
  expect(announced: string | undefined): void {
    if (Number(announced ?? 0) > this.#most) this.#refuse();
  }

  /** @throws MESSAGE_TOO_LARGE if what came so far, or the head of the frame, is beyond the limit. */
  add(chunk: Buffer): void {
    this.#pile.add(chunk);
    if (this.#pile.size > this.#most) this.#refuse();
    this.#knowsLength ||= readFrameLength(this.join(), this.#limit.maxBytes) !== undefined;
  }

  /** All that came. */
  join(): Buffer {
    return this.#pile.peek();
  }

  #refuse(): never {
    this.#pile.take();
    throw tooLarge(this.#limit.maxBytes);
  }
}
