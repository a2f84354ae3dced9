import fc from "fast-check";
import { expect, it } from "vitest";
import { encodeHeaders, NO_TABLE } from "../../../src/wire/http2/header-encoder.ts";
import { startPythonHpack } from "../../support/hpack-python.ts";

const text = fc.oneof(
  fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 300 }),
  fc.constantFrom("", "a".repeat(126), "b".repeat(127), "c".repeat(128), "d".repeat(254), "e".repeat(255)),
  fc.constantFrom("f".repeat(16_384), "g".repeat(40_000)),
);
const name = fc.oneof(
  fc.constantFrom(":status", "content-type", "date", "grpc-status", "www-authenticate", "accept-encoding"),
  text,
);
const value = fc.oneof(fc.constantFrom("200", "204", "404", "431", "", "gzip, deflate"), text);

it("encodes whatever headers so that python3-hpack reads the same", async () => {
  const python = startPythonHpack();
  await python.decode(NO_TABLE);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, value), { maxLength: 10 }), async (headers) => {
      expect(await python.decode(encodeHeaders(headers))).toEqual(headers);
    }),
    { numRuns: 300, seed: 7541 },
  );
});

it("puts nothing into the client's table, so that a block means the same on every connection", () => {
  const headers = [
    [":status", "200"],
    ["content-type", "application/grpc"],
    ["x-a", "1"],
  ] as const;
  const bytes = encodeHeaders(headers);
  expect(bytes.toString("hex")).toBe(
    `880f10${"10"}${Buffer.from("application/grpc").toString("hex")}0003${Buffer.from("x-a").toString("hex")}0131`,
  );
});

it("points at a header that both ends know, where it is one", () => {
  expect(encodeHeaders([[":status", "404"]])).toEqual(Buffer.of(0x8d));
  expect(encodeHeaders([[":status", "431"]])).toEqual(Buffer.of(0x08, 3, 0x34, 0x33, 0x31));
});
