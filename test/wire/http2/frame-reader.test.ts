import { expect, it } from "vitest";
import { FrameReader } from "../../../src/wire/http2/frame-reader.ts";
import { http2Frame } from "../http2-bytes.ts";

type Seen = readonly [type: number, flags: number, stream: number, payload: string];

function readIn(chunks: readonly Buffer[]): Seen[] {
  const seen: Seen[] = [];
  const reader = new FrameReader((type, flags, stream, payload) => {
    seen.push([type, flags, stream, payload.toString("hex")]);
  });
  for (const chunk of chunks) reader.read(chunk);
  return seen;
}

const frames = [
  http2Frame(6, 0, 0, Buffer.from("12345678")),
  http2Frame(0, 1, 2 ** 31 - 1, Buffer.from("body")),
  http2Frame(1, 4, 3),
  http2Frame(0xff, 0xff, 1, Buffer.of(0)),
];
const all = Buffer.concat(frames);
const expected: Seen[] = [
  [6, 0, 0, Buffer.from("12345678").toString("hex")],
  [0, 1, 2 ** 31 - 1, Buffer.from("body").toString("hex")],
  [1, 4, 3, ""],
  [0xff, 0xff, 1, "00"],
];

it("finds the same frames wherever the chunks end: at every one, and at every two places", () => {
  expect(readIn([all])).toEqual(expected);
  for (let first = 0; first <= all.length; first++) {
    for (let second = first; second <= all.length; second++) {
      const chunks = [all.subarray(0, first), all.subarray(first, second), all.subarray(second)];
      expect(readIn(chunks)).toEqual(expected);
    }
  }
});

it("finds them byte by byte", () => {
  expect(readIn(Array.from(all, (byte) => Buffer.of(byte)))).toEqual(expected);
});

it("looks at a frame once when it is whole, and not at each of its bytes", () => {
  const frame = http2Frame(0, 0, 1, Buffer.alloc(16_384, 7));
  const lengths: number[] = [];
  const buffers = new Set<ArrayBufferLike>();
  const reader = new FrameReader((_type, _flags, _stream, payload) => {
    lengths.push(payload.length);
    buffers.add(payload.buffer);
  });
  for (const byte of Buffer.concat([frame, frame])) reader.read(Buffer.of(byte));
  expect(lengths).toEqual([16_384, 16_384]);
  for (const buffer of buffers) expect(buffer.byteLength).toBeLessThan(3 * 16_384);
});

it("leaves what begins behind the last frame for the next chunk, and hands over nothing before it is whole", () => {
  expect(readIn([all.subarray(0, 16)])).toEqual([]);
  expect(readIn([all.subarray(0, 20)])).toEqual(expected.slice(0, 1));
});

it("refuses a frame by its head, before the rest comes", () => {
  expect(() => readIn([http2Frame(0, 0, 1, Buffer.alloc(16_385)).subarray(0, 9)])).toThrow(
    expect.objectContaining({ code: 6 }),
  );
});
