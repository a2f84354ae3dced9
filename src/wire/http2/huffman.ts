import { ConnectionError, ErrorCode } from "./frames.ts";

/** How long the code of each byte is (RFC 7541, appendix B). The code is canonical: the lengths tell all of it. */
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26,
];

/** Ends a text in other uses of the code; here it never comes. */
const EOS = 256;
/** What may be left at the end: the first bits of the longest code, fewer than a byte of them. */
const MAX_PADDING = 7;

/** The code as a tree: two numbers a node, for 0 and 1; a node to go on with, or below zero the byte found, as `~byte`. */
const TREE = growTree();

function growTree(): Int16Array {
  const tree = new Int16Array(2 * 256);
  let nodes = 1;
  let code = 0;
  const add = (length: number, value: number) => {
    let at = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const branch = at + ((code >> bit) & 1);
      if (tree[branch] === 0) tree[branch] = 2 * nodes++;
      at = tree[branch] as number;
    }
    tree[at + (code++ & 1)] = ~value;
  };
  for (let length = 1; length <= 30; length++) {
    LENGTHS.forEach((own, byte) => {
      if (own === length) add(length, byte);
    });
    if (length === 30) add(length, EOS);
    code *= 2;
  }
  return tree;
}

/**
 * The text of a Huffman-coded string.
 *
 * @throws ConnectionError for padding that is none.
 */
export function decodeHuffman(coded: Uint8Array): string {
  // The shortest code has five bits.
  const bytes = Buffer.allocUnsafe(Math.floor((coded.length * 8) / 5));
  let size = 0;
  let at = 0;
  let depth = 0;
  let isAllOnes = true;
  for (const byte of coded) {
    for (let shift = 7; shift >= 0; shift--) {
      const bit = (byte >> shift) & 1;
      const next = TREE[at + bit] as number;
      if (next < 0) {
        if (~next === EOS) throw badCode();
        bytes[size++] = ~next;
        at = 0;
        depth = 0;
        isAllOnes = true;
      } else {
        at = next;
        depth++;
        isAllOnes &&= bit === 1;
      }
    }
  }
  if (depth > MAX_PADDING || !isAllOnes) throw badCode();
  return bytes.toString("latin1", 0, size);
}

function badCode(): ConnectionError {
  return new ConnectionError(ErrorCode.COMPRESSION_ERROR, "a header string is not coded right");
}
