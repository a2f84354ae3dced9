/**
 * Reads the parts of protobuf's binary format that plain messages consist of: ASCII texts, lengths of one or two bytes, flags. With
 * anything else it gives up: it is at the end then, and what it gave means nothing.
 */
export class PlainReader {
  readonly size: number;
  /** How many bytes are read. */
  place = 0;
  /** Whether it has not given up. */
  isPlain = true;
  readonly #bytes: Uint8Array;
  /** A character for each byte: to cut all texts out of one string is several times as fast as to make each of bytes. */
  readonly #characters: string;

  constructor(bytes: Uint8Array) {
    this.size = bytes.length;
    this.#bytes = bytes;
    this.#characters = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  }

  giveUp(): void {
    this.isPlain = false;
    this.place = this.size;
  }

  /** One byte, or 0 at the end, which no field begins with. */
  byte(): number {
    return this.#bytes[this.place++] ?? 0;
  }

  /** How much follows; all that it says is there. */
  length(): number {
    const low = this.byte();
    const high = low < 0x80 ? 0 : this.byte();
    const length = (low & 0x7f) | (high << 7);
    if (high < 0x80 && this.place + length <= this.size) return length;
    this.giveUp();
    return 0;
  }

  flag(): boolean {
    const value = this.byte();
    if (value > 1) this.giveUp();
    return value === 1;
  }

  text(): string {
    const length = this.length();
    const start = this.place;
    const end = start + length;
    let bits = 0;
    for (let place = start; place < end; place++) bits |= this.#bytes[place] as number;
    this.place = end;
    if (bits >= 0x80) this.giveUp();
    return this.#characters.substring(start, end);
  }
}
