import { STATIC_TABLE } from "../../src/wire/http2/static-table.ts";

/** A header's name and its value. */
export type Header = readonly [name: string, value: string];

const TABLE_BYTES = 4096;
const ENTRY_OVERHEAD = 32;

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

/** Not Huffman-coded. */
function plainText(text: string): Buffer {
  const length =
    text.length < 127 ? [text.length] : [127, ((text.length - 127) & 0x7f) | 0x80, (text.length - 127) >> 7];
  return Buffer.concat([Buffer.from(length), Buffer.from(text, "latin1")]);
}
