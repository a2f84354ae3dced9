import { expect, test } from "vitest";
import { frame, strip } from "../../../bench/load/frames.ts";
import { FrameReader } from "../../../src/wire/http2/frame-reader.ts";
import { FrameType } from "../../../src/wire/http2/frames.ts";

test("writes frames that are read as such", () => {
  const seen: unknown[] = [];
  const reader = new FrameReader((...found) => seen.push([...found.slice(0, 3), String(found[3])]));
  reader.read(
    Buffer.concat([frame(FrameType.PING, 0, 0, Buffer.from("12345678")), frame(0, 1, 2 ** 31 - 1, Buffer.of())]),
  );
  expect(seen).toEqual([
    [FrameType.PING, 0, 0, "12345678"],
    [0, 1, 2 ** 31 - 1, ""],
  ]);
});

test("takes padding and priority off", () => {
  const padded = Buffer.concat([Buffer.of(3), Buffer.from("abc"), Buffer.alloc(3)]);
  const both = Buffer.concat([Buffer.of(1, 0, 0, 0, 0, 16), Buffer.from("h"), Buffer.of(0)]);
  expect(strip(FrameType.DATA, 0x8, padded).toString()).toBe("abc");
  expect(strip(FrameType.HEADERS, 0x8 | 0x20, both).toString()).toBe("h");
  expect(strip(FrameType.DATA, 0x1, padded)).toBe(padded);
});
