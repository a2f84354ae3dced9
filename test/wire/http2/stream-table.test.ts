import { describe, expect, it } from "vitest";
import { ErrorCode } from "../../../src/wire/http2/frames.ts";
import { StreamTable } from "../../../src/wire/http2/stream-table.ts";

const closed = expect.objectContaining({ code: ErrorCode.STREAM_CLOSED, message: "the stream was closed" });

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
