import { ConnectionError, ErrorCode } from "./frames.ts";

/** How much a client may send on all streams together (RFC 9113, section 6.9). */
export class ReceiveWindow {
  readonly #size: number;
  #open: number;
  #released = 0;

  constructor(size: number) {
    this.#size = size;
    this.#open = size;
  }

  /** @throws ConnectionError if it is more than was granted. */
  take(bytes: number): void {
    this.#open -= bytes;
    if (this.#open < 0) throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "more was sent than granted");
  }

  /** Takes note of what is not held any more, and answers how much to grant: 0 as long as it is not worth a frame. */
  release(bytes: number): number {
    this.#released += bytes;
    if (this.#released < this.#size / 4) return 0;
    const granted = this.#released;
    this.#open += granted;
    this.#released = 0;
    return granted;
  }
}
