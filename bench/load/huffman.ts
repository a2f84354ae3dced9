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

/** The byte behind each code, by `code + 2 ** length`, which is unique among all lengths. */
const BYTES = canonicalCodes();

function canonicalCodes(): ReadonlyMap<number, number> {
  const codes = new Map<number, number>();
  let code = 0;
  for (let length = 1; length <= 30; length++) {
    LENGTHS.forEach((own, byte) => {
      if (own === length) codes.set(code++ + 2 ** length, byte);
    });
    code *= 2;
  }
  return codes;
}

/** The text of a Huffman-coded header string. What is left at the end is padding. */
export function decodeHuffman(coded: Uint8Array): string {
  const text: number[] = [];
  let bits = 1;
  for (const byte of coded) {
    for (let shift = 7; shift >= 0; shift--) {
      bits = bits * 2 + ((byte >> shift) & 1);
      const found = BYTES.get(bits);
      if (found === undefined) continue;
      text.push(found);
      bits = 1;
    }
  }
  return Buffer.from(text).toString("latin1");
}
