import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ErrorCode } from "../../../src/wire/http2/frames.ts";
import type { Http2Stream } from "../../../src/wire/http2/stream.ts";
import { StreamTable } from "../../../src/wire/http2/stream-table.ts";

const closed = expect.objectContaining({ code: ErrorCode.STREAM_CLOSED, message: "the stream was closed" });

describe("open streams", () => {
  it("are found by their numbers until they close, in whatever order that is", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(50)), fc.infiniteStream(fc.nat()), (numbers, picks) => {
        const table = new StreamTable();
        const streams = numbers.map((number) => ({ id: 2 * number + 1, hasEnded: true, place: -1 }) as Http2Stream);
        for (const stream of streams) table.add(stream);
        table.last = 101;
        const open = [...streams];
        while (open.length > 0) {
          expect(table.all().toSorted(byId)).toEqual(open.toSorted(byId));
          for (const stream of streams) expect(table.get(stream.id)).toBe(open.find((one) => one === stream));
          const [closed] = open.splice((picks.next().value ?? 0) % open.length, 1);
          table.delete(closed as Http2Stream);
          expect(table.size).toBe(open.length);
        }
      }),
    );
  });
});

const byId = (one: Http2Stream, other: Http2Stream) => one.id - other.id;

describe("of streams that were cut off", () => {
  it("more is expected until they end", () => {
    const table = new StreamTable();
    table.cutOff(1);
    table.takeLate(1, false);
    table.takeLate(1, true);
    expect(() => table.takeLate(1, true)).toThrow(closed);
  });

  it("the latest thousand are remembered, however many there are", () => {
    const table = new StreamTable();
    const ids = Array.from({ length: 1001 }, (_, index) => 2 * index + 1);
    for (const id of ids) table.cutOff(id);
    expect(() => table.takeLate(1, false)).toThrow(closed);
    for (const id of ids.slice(1)) table.takeLate(id, false);
  });
});
