import { expect, test } from "vitest";
import { createFrameReader, DATA, type Frame, frame, HEADERS, PING } from "../../../bench/load/frames.ts";

function readIn(chunks: readonly Buffer[]): Frame[] {
  const found: Frame[] = [];
  const read = createFrameReader((one) => found.push({ ...one, payload: Buffer.from(one.payload) }));
  for (const chunk of chunks) read(chunk);
  return found;
}

const frames = [
  frame(PING, 0, 0, Buffer.from("12345678")),
  frame(DATA, 1, 2 ** 31 - 1, Buffer.alloc(70_000, 7)),
  frame(HEADERS, 4, 3, Buffer.alloc(0)),
];

test("finds the same frames wherever the chunks end", () => {
  const all = Buffer.concat(frames);
  const whole = readIn([all]);
  expect(whole.map(({ type, flags, stream, payload }) => [type, flags, stream, payload.length])).toEqual([
    [PING, 0, 0, 8],
    [DATA, 1, 2 ** 31 - 1, 70_000],
    [HEADERS, 4, 3, 0],
  ]);
  for (const at of [1, 8, 9, 10, 17, 18, 26, 27, 30_000, all.length - 1])
    expect(readIn([all.subarray(0, at), all.subarray(at)])).toEqual(whole);
  expect(readIn(Array.from(all.subarray(0, 100), (byte) => Buffer.of(byte)))).toEqual(whole.slice(0, 1));
});

test("takes padding and priority off", () => {
  const padded = frame(DATA, 0x8, 1, Buffer.concat([Buffer.of(3), Buffer.from("abc"), Buffer.alloc(3)]));
  const both = frame(
    HEADERS,
    0x8 | 0x20,
    1,
    Buffer.concat([Buffer.of(1, 0, 0, 0, 0, 16), Buffer.from("h"), Buffer.of(0)]),
  );
  expect(readIn([padded, both]).map(({ payload }) => payload.toString())).toEqual(["abc", "h"]);
});
