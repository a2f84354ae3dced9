import { create, toBinary } from "@bufbuild/protobuf";
import { DurationSchema, StructSchema, TimestampSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { type CreateRequest, CreateRequestSchema } from "#gen/latchkey/v1/token_service_pb.ts";
import { onEachStore, onSqlite, refusalIn, refusalOf } from "./world.ts";

type Lifetime = CreateRequest["lifetime"];

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);
const END_OF_TIME = 253_402_300_799n;
const UNREADABLE = "invalid_argument INVALID_REQUEST";
const INVALID = "invalid_argument LIFETIME_INVALID";

const ttl = (seconds: bigint, nanos = 0) =>
  ({ case: "ttl", value: create(DurationSchema, { seconds, nanos }) }) as const;
const until = (seconds: bigint, nanos = 0) =>
  ({ case: "expireTime", value: create(TimestampSchema, { seconds, nanos }) }) as const;
const now = () => BigInt(Math.floor(Date.now() / 1000));

onSqlite((world) => {
  describe("in bytes, a token is not made", () => {
    test.each<[string, () => Lifetime, string]>([
      ["for no time", () => ttl(0n), INVALID],
      ["for one nanosecond", () => ttl(0n, 1), INVALID],
      ["for half a millisecond", () => ttl(0n, 500_000), INVALID],
      ["for less than nothing", () => ttl(-1n), INVALID],
      ["for a nanosecond less than nothing", () => ttl(0n, -1), INVALID],
      ["for the longest int64", () => ttl(INT64_MAX, 999_999_999), INVALID],
      ["for the shortest int64", () => ttl(INT64_MIN, -999_999_999), INVALID],
      ["for longer than dates go", () => ttl(315_576_000_000n), INVALID],
      ["with nanoseconds against the seconds", () => ttl(1n, -1), INVALID],
      ["with seconds against the nanoseconds", () => ttl(-1n, 1), INVALID],
      ["with a second of nanoseconds", () => ttl(1n, 1_000_000_000), INVALID],
      ["with the most nanoseconds of an int32", () => ttl(1n, 2 ** 31 - 1), INVALID],
      ["with the fewest nanoseconds of an int32", () => ttl(-1n, -(2 ** 31)), INVALID],
      ["until now", () => until(now()), INVALID],
      ["until 1970", () => until(0n), INVALID],
      ["until before 1970", () => until(-1n), INVALID],
      ["until the year 10000", () => until(END_OF_TIME + 1n), INVALID],
      ["until the longest int64", () => until(INT64_MAX), INVALID],
      ["until the shortest int64", () => until(INT64_MIN), INVALID],
      ["until less than no nanosecond", () => until(now() + 60n, -1), UNREADABLE],
      ["until a second of nanoseconds", () => until(now() + 60n, 1_000_000_000), UNREADABLE],
      ["permanently, but not", () => ({ case: "permanent", value: false }), UNREADABLE],
    ])("%s", async (_what, lifetime, refusal) => {
      const request = create(CreateRequestSchema, { kind: "personal", subject: "bytes", lifetime: lifetime() });
      const answer = await world.post("Create", toBinary(CreateRequestSchema, request) as Uint8Array<ArrayBuffer>);
      expect(refusalIn(answer)).toBe(refusal);
      expect((await world.connect().list({ subject: "bytes" })).tokens).toEqual([]);
    });
  });

  describe("in JSON, a token is not made", () => {
    test.each([
      ["for no time", '"ttl":"0s"', INVALID],
      ["for less than nothing", '"ttl":"-1s"', INVALID],
      ["for less than a millisecond", '"ttl":"0.000000001s"', INVALID],
      ["for longer than a Duration holds", '"ttl":"315576000001s"', UNREADABLE],
      ["for longer than an int64 holds", '"ttl":"99999999999999999999s"', UNREADABLE],
      ["for ten decimals", '"ttl":"1.0000000001s"', UNREADABLE],
      ["for a number", '"ttl":60', UNREADABLE],
      ["for NaN", '"ttl":"NaNs"', UNREADABLE],
      ["for a bare NaN", '"ttl":NaN', UNREADABLE],
      ["for infinity", '"ttl":"Infinitys"', UNREADABLE],
      ["for an exponent", '"ttl":"1e9s"', UNREADABLE],
      ["for white space", '"ttl":" 60s"', UNREADABLE],
      ["without a unit", '"ttl":"60"', UNREADABLE],
      ["in another unit", '"ttl":"1h"', UNREADABLE],
      ["for a boolean", '"ttl":true', UNREADABLE],
      ["until the past", '"expireTime":"2001-01-01T00:00:00Z"', INVALID],
      ["until the year 10000", '"expireTime":"10000-01-01T00:00:00Z"', UNREADABLE],
      ["until the year 0", '"expireTime":"0000-01-01T00:00:00Z"', UNREADABLE],
      ["until a 13th month", '"expireTime":"2999-13-01T00:00:00Z"', UNREADABLE],
      ["until a number", '"expireTime":4102444800', UNREADABLE],
      ["permanently, but not", '"permanent":false', UNREADABLE],
      ["permanently in words", '"permanent":"true"', UNREADABLE],
      ["both for a time and permanently", '"ttl":"60s","permanent":true', UNREADABLE],
      ["both for a time and in words", '"ttl":"60s","life":"1 minute"', UNREADABLE],
      ["in no words", '"life":""', UNREADABLE],
      ["in words beyond all bounds", `"life":"1${"0".repeat(64)}h"`, UNREADABLE],
      ["in a number for words", '"life":60', UNREADABLE],
      ["in words without a unit", '"life":"60"', INVALID],
      ["in words for nothing", '"life":"0 hours"', INVALID],
      ["in words for less than nothing", '"life":"-6 hours"', INVALID],
      ["in ISO 8601 for less than nothing", '"life":"-P1D"', INVALID],
      ["in words for ever", '"life":"forever"', INVALID],
      ["in words for NaN", '"life":"NaN hours"', INVALID],
      ["in words for longer than dates go", '"life":"9999999999999 years"', INVALID],
      ["in ISO 8601 for longer than dates go", '"life":"P99999999Y"', INVALID],
      ["in words of other scripts", '"life":"٦ hours"', INVALID],
      ["in words with a NUL", '"life":"6 hours\\u0000"', INVALID],
    ])("%s", async (_what, lifetime, refusal) => {
      const answer = await world.post("Create", `{"kind":"personal","subject":"json",${lifetime}}`);
      expect(refusalIn(answer)).toBe(refusal);
      expect((await world.connect().list({ subject: "json" })).tokens).toEqual([]);
    });
  });

  test.each([
    ["in the past", until(1n), "InvalidArgument LIFETIME_INVALID"],
    ["in the year 10000", until(END_OF_TIME + 1n), "InvalidArgument LIFETIME_INVALID"],
    ["with too many nanoseconds", until(END_OF_TIME, 2_000_000_000), "InvalidArgument INVALID_REQUEST"],
    ["at the end of int64", until(INT64_MAX), "InvalidArgument LIFETIME_INVALID"],
  ])("an expiry is not moved to a time %s", async (_what, lifetime, refusal) => {
    const { id, expireTime } = await world.issue({ kind: "personal" });
    const moved = world
      .connect()
      .update({ token: { case: "id", value: id }, expireTime: lifetime.value, updateMask: { paths: ["expire_time"] } });
    expect(await refusalOf(moved)).toBe(refusal);
    expect((await world.connect().get({ token: { case: "id", value: id } })).token?.expireTime).toEqual(expireTime);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    "claims with the number %s are refused, alone and deep inside",
    async (numberValue) => {
      const number = create(ValueSchema, { kind: { case: "numberValue", value: numberValue } });
      const list = create(ValueSchema, { kind: { case: "listValue", value: { values: [number] } } });
      for (const value of [number, list]) {
        const claims = toBinary(StructSchema, create(StructSchema, { fields: { a: value } }));
        const head = toBinary(CreateRequestSchema, create(CreateRequestSchema, { kind: "personal" }));
        // Field 10, of a length below 128.
        const request = Buffer.concat([head, Buffer.from([0x52, claims.length]), claims]);
        expect(refusalIn(await world.post("Create", new Uint8Array(request)))).toBe("invalid_argument CLAIMS_INVALID");
      }
    },
  );

  test.each(["NaN", "Infinity", "1e400", "-1e400"])("claims in JSON with the number %s are refused", async (number) => {
    const answer = await world.post("Create", `{"kind":"personal","claims":{"a":[${number}]}}`);
    expect(answer.status).toBe(400);
    expect(refusalIn(answer)).toMatch(/^invalid_argument (INVALID_REQUEST|CLAIMS_INVALID)$/);
  });
});

onEachStore((world) => {
  test.each<[string, () => Lifetime]>([
    ["a minute", () => ttl(60n)],
    ["until the last second of the year 9999", () => until(END_OF_TIME)],
    ["for ever", () => ({ case: "permanent", value: true })],
    ["six hours, in words", () => ({ case: "life", value: "6 hours" })],
    ["a month, in ISO 8601", () => ({ case: "life", value: "P1M" })],
  ])("a token can live %s", async (_what, lifetime) => {
    const { secret, id, expireTime } = await world.issue({ kind: "personal", lifetime: lifetime() });
    expect(await world.judge(secret)).toBe("ACTIVE");
    expect((await world.connect().get({ token: { case: "id", value: id } })).token?.expireTime).toEqual(expireTime);
  });

  test("a token of one millisecond is made, and is gone", async () => {
    const { secret } = await world.issue({ kind: "personal", lifetime: ttl(0n, 1_000_000) });
    await expect.poll(() => world.judge(secret)).toBe("EXPIRED");
  });
});
