import { STATIC_TABLE } from "./static-table.ts";

const NAMES = new Map(STATIC_TABLE.map(({ name }, index) => [name, index + 1]).reverse() as [string, number][]);
const WHOLE = new Map(STATIC_TABLE.map(({ name, value }, index) => [`${name}\0${value}`, index + 1]));

/**
 * Headers as a block that stands by itself: it points into no table but the static one, so it can be made once and sent on every
 * connection. Answers are few bytes anyway, and a table of each client's answers would be memory that others fill.
 *
 * @param headers names in lower case, and texts of one byte a character.
 */
export function encodeHeaders(headers: Iterable<readonly [name: string, value: string]>): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of headers) {
    const whole = value === "" ? undefined : WHOLE.get(`${name}\0${value}`);
    if (whole !== undefined) {
      parts.push(integer(0x80, 7, whole));
      continue;
    }
    const known = NAMES.get(name);
    parts.push(known === undefined ? Buffer.concat([Buffer.of(0), text(name)]) : integer(0, 4, known), text(value));
  }
  return Buffer.concat(parts);
}

/** Tells a client that no header of ours will be kept in its table (RFC 7541, section 6.3). Goes before the first block. */
export const NO_TABLE = Buffer.of(0x20);

/** Not Huffman-coded: that would save a few bytes, and cost time. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  return Buffer.concat([integer(0, 7, bytes.length), bytes]);
}

function integer(first: number, prefixBits: number, value: number): Buffer {
  const most = 2 ** prefixBits - 1;
  if (value < most) return Buffer.of(first | value);
  const bytes = [first | most];
  let rest = value - most;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}
