/**
 * Bytes that come in pieces. A piece that comes alone is kept as it is. All others are copied together: a piece is often a small
 * part of a large packet, which it would keep in memory, and whoever sends byte by byte would be given an object for each.
 */
export class BytePile {
  #bytes: Buffer = NOTHING;
  #size = 0;
  #isOwn = false;

  get size(): number {
    return this.#size;
  }

  add(piece: Buffer): void {
    if (piece.length === 0) return;
    if (this.#size === 0) {
      this.#bytes = piece;
      this.#isOwn = false;
    } else {
      this.#makeRoom(piece.length);
      this.#bytes.set(piece, this.#size);
    }
    this.#size += piece.length;
  }

  /** All of them. Stays as it is until more are added. */
  peek(): Buffer {
    return this.#bytes.subarray(0, this.#size);
  }

  /** All of them, which leave. */
  take(): Buffer {
    const bytes = this.peek();
    this.#bytes = NOTHING;
    this.#size = 0;
    return bytes;
  }

  #makeRoom(bytes: number): void {
    const needed = this.#size + bytes;
    if (this.#isOwn && needed <= this.#bytes.length) return;
    // Not from Node's pool, a piece of which keeps all of it alive.
    const room = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#size));
    room.set(this.peek());
    this.#bytes = room;
    this.#isOwn = true;
  }
}

const NOTHING = Buffer.alloc(0);
