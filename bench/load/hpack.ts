import { decodeHuffman } from "./huffman.ts";

/** A header's name and its value. */
export type Header = readonly [name: string, value: string];

/** RFC 7541, appendix A. */
const STATIC_TABLE: readonly Header[] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  ...["200", "204", "206", "304", "400", "404", "500"].map((status): Header => [":status", status]),
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ...(
    "accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control " +
    "content-disposition content-encoding content-language content-length content-location content-range content-type " +
    "cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since " +
    "last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after " +
    "server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate"
  )
    .split(" ")
    .map((name): Header => [name, ""]),
];

const TABLE_BYTES = 4096;
const ENTRY_OVERHEAD = 32;

/** Reads header blocks of one connection, in their order: each may add to the table that the next one refers to. */
export function createDecoder(): (block: Buffer) => Header[] {
  /** The newest first. */
  const table: Header[] = [];
  let tableBytes = 0;
  let limit = TABLE_BYTES;

  const headerAt = (index: number): Header => {
    const found = index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : table[index - STATIC_TABLE.length - 1];
    if (!found) throw new Error(`the header block refers to entry ${index}, which is not there`);
    return found;
  };

  const shrink = () => {
    while (tableBytes > limit) tableBytes -= bytesOf(table.pop() as Header);
  };

  return (block) => {
    const headers: Header[] = [];
    const cursor = { block, at: 0 };
    while (cursor.at < block.length) {
      const first = block[cursor.at] as number;
      if (first & 0x80) {
        headers.push(headerAt(readInteger(cursor, 7)));
      } else if ((first & 0xe0) === 0x20) {
        limit = readInteger(cursor, 5);
        shrink();
      } else {
        const isKept = (first & 0x40) !== 0;
        const index = readInteger(cursor, isKept ? 6 : 4);
        const name = index === 0 ? readText(cursor) : headerAt(index)[0];
        const header: Header = [name, readText(cursor)];
        headers.push(header);
        if (!isKept) continue;
        table.unshift(header);
        tableBytes += bytesOf(header);
        shrink();
      }
    }
    return headers;
  };
}

/**
 * A request's headers as two blocks: the first request of a connection puts them into the server's table, and all later
 * ones only point at them. That is what HTTP/2 clients do.
 */
export function encodeTwice(headers: readonly Header[]): { readonly first: Buffer; readonly later: Buffer } {
  const bytes = headers.reduce((sum, header) => sum + bytesOf(header), 0);
  if (bytes > TABLE_BYTES || headers.length > 60) throw new Error("the headers do not fit into the table");
  const first = headers.map(([name, value]) =>
    Buffer.concat([Buffer.of(0x40), plainText(name.toLowerCase()), plainText(value)]),
  );
  const newest = STATIC_TABLE.length + 1;
  const later = headers.map((_, position) => 0x80 | (newest + headers.length - 1 - position));
  return { first: Buffer.concat(first), later: Buffer.from(later) };
}

function bytesOf([name, value]: Header): number {
  return name.length + value.length + ENTRY_OVERHEAD;
}

interface Cursor {
  readonly block: Buffer;
  at: number;
}

function readInteger(cursor: Cursor, prefixBits: number): number {
  const most = 2 ** prefixBits - 1;
  let value = (cursor.block[cursor.at++] as number) & most;
  if (value < most) return value;
  for (let shift = 0; ; shift += 7) {
    const byte = cursor.block[cursor.at++] as number;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return value;
  }
}

function readText(cursor: Cursor): string {
  const isCoded = ((cursor.block[cursor.at] as number) & 0x80) !== 0;
  const length = readInteger(cursor, 7);
  const bytes = cursor.block.subarray(cursor.at, cursor.at + length);
  cursor.at += length;
  return isCoded ? decodeHuffman(bytes) : bytes.toString("latin1");
}

/** Not Huffman-coded. */
function plainText(text: string): Buffer {
  const length =
    text.length < 127 ? [text.length] : [127, ((text.length - 127) & 0x7f) | 0x80, (text.length - 127) >> 7];
  return Buffer.concat([Buffer.from(length), Buffer.from(text, "latin1")]);
}
