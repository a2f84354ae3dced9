import { ConnectionError, ErrorCode } from "./frames.ts";
import { createHeader, type Header } from "./header.ts";
import { decodeHuffman } from "./huffman.ts";
import { STATIC_TABLE } from "./static-table.ts";

/** How large a client's table may be: the default of SETTINGS_HEADER_TABLE_SIZE, which we leave as it is. */
const MAX_TABLE_BYTES = 4096;
/** What each header counts beside its characters (RFC 7541, section 4.1; RFC 9113, section 6.5.2). */
const OVERHEAD_BYTES = 32;
/** More than any index or length that we take. */
const MAX_INTEGER = 2 ** 24;

/** Reads the blocks of headers of one connection, in their order: each may add to the table that later ones point into (RFC 7541). */
export class HeaderDecoder {
  readonly #maxBytes: number;
  /** The newest is the last. */
  readonly #table: Header[] = [];
  #tableBytes = 0;
  #tableLimit = MAX_TABLE_BYTES;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  /** @param maxBytes what the headers of one block may have together, uncompressed */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * The headers of a block; undefined if they are larger than they may be.
   *
   * @throws ConnectionError if it can't be read: then the later ones can't either.
   */
  decode(block: Buffer): Header[] | undefined {
    this.#block = block;
    this.#at = 0;
    this.#resizeTable();
    const headers: Header[] = [];
    let bytes = 0;
    while (this.#at < block.length) {
      const header = this.#readHeader(block[this.#at] as number);
      bytes += bytesOf(header);
      if (bytes <= this.#maxBytes) headers.push(header);
    }
    return bytes <= this.#maxBytes ? headers : undefined;
  }

  #readHeader(first: number): Header {
    if (first & 0x80) return this.#headerAt(this.#readInteger(7));
    if ((first & 0x40) !== 0) return this.#keep(this.#readLiteral(6));
    if ((first & 0x20) !== 0) throw unreadable("a change of the table's size stands behind a header");
    return this.#readLiteral(4);
  }

  #readLiteral(prefixBits: number): Header {
    const index = this.#readInteger(prefixBits);
    const name = index === 0 ? this.#readText() : this.#headerAt(index).name;
    return createHeader(name, this.#readText());
  }

  #headerAt(index: number): Header {
    const header =
      index <= STATIC_TABLE.length
        ? STATIC_TABLE[index - 1]
        : this.#table[this.#table.length + STATIC_TABLE.length - index];
    if (!header) throw unreadable(`there is no header ${index} in the table`);
    return header;
  }

  #keep(header: Header): Header {
    this.#table.push(header);
    this.#tableBytes += bytesOf(header);
    this.#shrinkTable();
    return header;
  }

  /** A block may begin with changes of the table's size. */
  #resizeTable(): void {
    while (((this.#block[this.#at] ?? 0) & 0xe0) === 0x20) {
      const limit = this.#readInteger(5);
      if (limit > MAX_TABLE_BYTES) throw unreadable("the table is larger than was agreed");
      this.#tableLimit = limit;
      this.#shrinkTable();
    }
  }

  #shrinkTable(): void {
    while (this.#tableBytes > this.#tableLimit) this.#tableBytes -= bytesOf(this.#table.shift() as Header);
  }

  #readText(): string {
    const isCoded = ((this.#block[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#readInteger(7);
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#block.length) throw unreadable("the block breaks off");
    if (isCoded) return decodeHuffman(this.#block.subarray(start, this.#at));
    return this.#block.toString("latin1", start, this.#at);
  }

  #readInteger(prefixBits: number): number {
    const most = 2 ** prefixBits - 1;
    let value = this.#readByte() & most;
    if (value < most) return value;
    for (let shift = 0; value < MAX_INTEGER; shift += 7) {
      const byte = this.#readByte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw unreadable("a number is too large");
  }

  #readByte(): number {
    const byte = this.#block[this.#at++];
    if (byte === undefined) throw unreadable("the block breaks off");
    return byte;
  }
}

function bytesOf({ name, value }: Header): number {
  return name.length + value.length + OVERHEAD_BYTES;
}

function unreadable(message: string): ConnectionError {
  return new ConnectionError(ErrorCode.COMPRESSION_ERROR, message);
}
