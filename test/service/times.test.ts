import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { durationToMs, Moment, timestampToMs } from "../../src/service/times.ts";
import { NOW, refusal, thrownBy } from "../domain/world.ts";

const duration = (seconds: bigint, nanos: number) => ({
  $typeName: "google.protobuf.Duration" as const,
  seconds,
  nanos,
});
const timestamp = (seconds: bigint, nanos: number): Timestamp => ({
  $typeName: "google.protobuf.Timestamp",
  seconds,
  nanos,
});

describe("a Duration", () => {
  test.each([
    [0n, 0, 0],
    [1n, 0, 1000],
    [1n, 500_000_000, 1500],
    [0n, 1_000_000, 1],
    [0n, 1, 0.000001],
    [0n, 999_999_999, 999.999999],
    [-1n, 0, -1000],
    [-1n, -500_000_000, -1500],
    [0n, -1_000_000, -1],
    [315_576_000_000n, 0, 315_576_000_000_000],
  ])("of %i s and %i ns is %d ms", (seconds, nanos, expected) => {
    expect(durationToMs("ttl", duration(seconds, nanos))).toBe(expected);
  });

  test.each([
    ["more nanoseconds than a second has", 0n, 1_000_000_000],
    ["fewer nanoseconds than a second has", 0n, -1_000_000_000],
    ["a sign of its nanoseconds against that of its seconds", 1n, -1],
    ["a sign of its nanoseconds against that of its negative seconds", -1n, 1],
  ])("is refused with %s", (_, seconds, nanos) => {
    expect(thrownBy(() => durationToMs("ttl", duration(seconds, nanos)))).toMatchObject({
      ...refusal("LIFETIME_INVALID", "ttl: is not a valid Duration"),
      violations: [{ field: "ttl", description: "is not a valid Duration" }],
    });
  });
});

describe("a Timestamp", () => {
  test.each([
    [0n, 0, 0],
    [1n, 999_000_000, 1999],
    [1n, 999_999, 1000],
    [-1n, 0, -1000],
    [-1n, 999_000_000, -1],
    [253_402_300_799n, 999_999_999, 253_402_300_799_999],
    [253_402_300_800n, 0, 253_402_300_800_000],
  ])("of %i s and %i ns is %d ms since 1970", (seconds, nanos, expected) => {
    expect(timestampToMs("expire_time", timestamp(seconds, nanos))).toBe(expected);
  });

  test("that is not there stays so", () => {
    expect(timestampToMs("expire_time", undefined)).toBeUndefined();
  });

  test.each([-1, 1_000_000_000, -2_147_483_648, 2_147_483_647])("is refused with %i ns", (nanos) => {
    expect(thrownBy(() => timestampToMs("created_after", timestamp(0n, nanos)))).toMatchObject(
      refusal("INVALID_REQUEST", "created_after: is not a valid Timestamp"),
    );
  });
});

describe("times and spans in answers", () => {
  test("are exact to the millisecond", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799_999 }), (ms) => {
        const { seconds, nanos } = new Moment(ms);
        expect(timestampToMs("x", timestamp(seconds, nanos))).toBe(ms);
        expect(durationToMs("x", duration(seconds, nanos))).toBe(ms);
      }),
    );
    const { seconds, nanos } = new Moment(NOW + 7);
    expect(timestampDate(timestamp(seconds, nanos)).getTime()).toBe(NOW + 7);
  });

  test("are well-formed where clocks of servers differ and a life is negative", () => {
    fc.assert(
      fc.property(fc.integer({ min: -100_000, max: -1 }), (ms) => {
        const { seconds, nanos } = new Moment(ms);
        expect(durationToMs("life", duration(seconds, nanos))).toBe(ms);
      }),
    );
  });
});
