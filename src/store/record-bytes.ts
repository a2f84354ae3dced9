/** A time is kept in six bytes, which is enough until the year 10889. */
const TIME_BYTES = 6;
const MINUTE = 60_000;
/** In the first byte of a span: it is negative, it counts milliseconds and not minutes, and more of its number follows. */
const NEGATIVE = 0x20;
const EXACT = 0x40;
const MORE = 0x80;

/** Writes the parts of a record one after the other. Numbers are whole, from 0 to 2^53 - 1. */
export class RecordWriter {
  #bytes = Buffer.allocUnsafe(256);
  #length = 0;
  #isAscii = true;

  /** Whether all texts so far consist of ASCII. */
  get isAscii(): boolean {
    return this.#isAscii;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  uint32(value: number): void {
    this.#reserve(4);
    this.#length = this.#bytes.writeUInt32LE(value, this.#length);
  }

  /** A time of milliseconds since 1970. */
  time(value: number): void {
    this.#reserve(TIME_BYTES);
    this.#length = this.#bytes.writeUIntBE(value, this.#length, TIME_BYTES);
  }

  number(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.byte((rest % 0x80) | 0x80);
    this.byte(rest);
  }

  /** Milliseconds of either sign. Whole minutes, as most lives are, take least. */
  span(value: number): void {
    const size = Math.abs(value);
    const isExact = size % MINUTE !== 0;
    const count = isExact ? size : size / MINUTE;
    const rest = Math.floor(count / 0x20);
    this.byte((count % 0x20) | (value < 0 ? NEGATIVE : 0) | (isExact ? EXACT : 0) | (rest > 0 ? MORE : 0));
    if (rest > 0) this.number(rest);
  }

  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    if (length !== value.length) this.#isAscii = false;
    this.number(length);
    this.#reserve(length);
    this.#length += this.#bytes.write(value, this.#length);
  }

  texts(values: readonly string[]): void {
    this.number(values.length);
    for (const value of values) this.text(value);
  }

  /** All that was written; the byte at `place` is replaced. */
  finish(place: number, value: number): Buffer {
    this.#bytes[place] = value;
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * needed);
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

/** Reads what a `RecordWriter` wrote. Every part throws if the bytes end before it does. */
export class RecordReader {
  readonly #bytes: Buffer;
  /** The whole record, a character for each byte. Undefined: it has other texts than ASCII. */
  #characters: string | undefined;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Says that all texts are ASCII: then they are cut out of one string, which is several times as fast. */
  expectAscii(): void {
    this.#characters = this.#bytes.toString("latin1");
  }

  byte(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  uint32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  time(): number {
    return this.#bytes.readUIntBE(this.#take(TIME_BYTES), TIME_BYTES);
  }

  number(): number {
    let value = 0;
    for (let unit = 1; ; unit *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
    }
  }

  span(): number {
    const first = this.byte();
    const count = (first & 0x1f) + (first & MORE ? this.number() * 0x20 : 0);
    const size = first & EXACT ? count : count * MINUTE;
    return first & NEGATIVE ? -size : size;
  }

  /** A copy, so that it does not keep a whole answer of Redis in memory. */
  raw(length: number): Uint8Array {
    const start = this.#take(length);
    const copy = new Uint8Array(length);
    for (let index = 0; index < length; index++) copy[index] = this.#bytes[start + index] as number;
    return copy;
  }

  text(): string {
    const length = this.number();
    const start = this.#take(length);
    return this.#characters?.substring(start, start + length) ?? this.#bytes.toString("utf8", start, start + length);
  }

  texts(): string[] {
    const count = this.number();
    if (count === 0) return [];
    // An array that begins with its first is no larger than that; most have no more.
    const values = [this.text()];
    while (values.length < count) values.push(this.text());
    return values;
  }

  /** Throws unless all has been read. */
  end(): void {
    if (this.#position !== this.#bytes.length) throw new RangeError("a record is longer than it should be");
  }

  #take(length: number): number {
    const start = this.#position;
    this.#position += length;
    if (this.#position > this.#bytes.length) throw new RangeError("a record is shorter than it should be");
    return start;
  }
}
