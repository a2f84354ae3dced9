import { expect, it } from "vitest";
import { readTimeout } from "../../src/wire/deadline.ts";

it.each([
  [{}, undefined],
  [{ "grpc-timeout": "2H" }, 7_200_000],
  [{ "grpc-timeout": "3M" }, 180_000],
  [{ "grpc-timeout": "4S" }, 4000],
  [{ "grpc-timeout": "5m" }, 5],
  [{ "grpc-timeout": "6000u" }, 6],
  [{ "grpc-timeout": "7000000n" }, 7],
  [{ "connect-timeout-ms": "0" }, 0],
  [{ "connect-timeout-ms": "1e3" }, Number.NaN],
  [{ "grpc-timeout": "" }, Number.NaN],
])("reads the timeout of %j", (headers: Record<string, string>, expected) => {
  const timeout = readTimeout((name) => headers[name]);
  expect(timeout && Math.round(timeout)).toBe(expected);
});
