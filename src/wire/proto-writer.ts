/** Longer texts are written by Node, whose call costs more than these few characters. */
const SHORT = 48;
const MAX_VARINT = 10;
const MAX_INT32 = 0x7fff_ffff;
const TEXT = 2;

/** Why not as a method, `base62.ts` tells. */
const { charCodeAt } = String.prototype;

/**
 * Writes protobuf's binary format into a buffer of its own that grows with what it is given. For the answers that there are most of;
 * fields are written in the order of the calls.
 */
export class ProtoWriter {
  #bytes = Buffer.allocUnsafe(4096);
  #size = 0;

  /** Begins anew, behind so many bytes that are for the caller to fill. */
  start(headBytes: number): void {
    this.#size = headBytes;
  }

  /** What was written since the start, with the head; good until the next start. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#size);
  }

  /** A whole number, from -2^53 to 2^53: an int32, int64, enum or bool. */
  number(field: number, value: number): void {
    this.#reserve(2 * MAX_VARINT);
    this.#varint(field << 3);
    if (value < 0) this.#negative(value);
    else this.#varint(value);
  }

  /** A message of two numbers, in its fields 1 and 2, of which 0 is left out. */
  pair(field: number, first: number, second: number): void {
    this.#reserve(6 * MAX_VARINT);
    this.#varint((field << 3) | TEXT);
    const start = this.#size++;
    if (first !== 0) this.number(1, first);
    if (second !== 0) this.number(2, second);
    this.#bytes[start] = this.#size - start - 1;
  }

  text(field: number, text: string): void {
    this.#reserve(2 * MAX_VARINT + 3 * text.length);
    this.#varint((field << 3) | TEXT);
    if (!this.#ascii(text)) this.#utf8(text);
  }

  bytes(field: number, bytes: Uint8Array): void {
    this.#reserve(2 * MAX_VARINT);
    this.#varint((field << 3) | TEXT);
    this.#varint(bytes.length);
    this.raw(bytes);
  }

  /** Bytes that are in the format already. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#size);
    this.#size += bytes.length;
  }

  /** A message, whose fields `write` writes. */
  message<T>(field: number, message: T, write: (message: T, writer: this) => void): void {
    this.#reserve(2 * MAX_VARINT);
    this.#varint((field << 3) | TEXT);
    // Room for the length of a short one; what is longer is moved to make more.
    const start = this.#size++;
    write(message, this);
    const length = this.#size - start - 1;
    if (length < 0x80) {
      this.#bytes[start] = length;
      return;
    }
    this.#reserve(MAX_VARINT);
    const more = length < 0x4000 ? 1 : length < 0x20_0000 ? 2 : 3;
    this.#bytes.copyWithin(start + 1 + more, start + 1, this.#size);
    this.#size = start;
    this.#varint(length);
    this.#size += length;
  }

  #ascii(text: string): boolean {
    const { length } = text;
    if (length > SHORT) return false;
    const bytes = this.#bytes;
    let place = this.#size;
    bytes[place++] = length;
    for (let index = 0; index < length; index++) {
      const code = charCodeAt.call(text, index);
      if (code >= 0x80) return false;
      bytes[place++] = code;
    }
    this.#size = place;
    return true;
  }

  #utf8(text: string): void {
    this.#varint(Buffer.byteLength(text));
    this.#size += this.#bytes.write(text, this.#size);
  }

  #varint(value: number): void {
    const bytes = this.#bytes;
    let place = this.#size;
    let rest = value;
    for (; rest > MAX_INT32; rest = Math.floor(rest / 0x80)) bytes[place++] = (rest % 0x80) | 0x80;
    // What fits is shifted, which takes a fraction of the time of a division.
    for (; rest >= 0x80; rest >>>= 7) bytes[place++] = (rest & 0x7f) | 0x80;
    bytes[place++] = rest;
    this.#size = place;
  }

  /** Two's complement in 64 bits: ten bytes. */
  #negative(value: number): void {
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest >= 0x80n; rest >>= 7n) this.#bytes[this.#size++] = Number(rest & 0x7fn) | 0x80;
    this.#bytes[this.#size++] = Number(rest);
  }

  #reserve(more: number): void {
    if (this.#size + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.#size + more));
    this.#bytes.copy(larger, 0, 0, this.#size);
    this.#bytes = larger;
  }
}
