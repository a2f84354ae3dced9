import { once } from "node:events";
import { connect } from "node:http2";
import { type AddressInfo, createServer } from "node:net";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { FrameReader } from "../../../src/wire/http2/frame-reader.ts";
import { HeaderDecoder } from "../../../src/wire/http2/header-decoder.ts";
import { startPythonHpack } from "../../support/hpack-python.ts";
import { block, integer } from "../http2-bytes.ts";

type Pair = readonly [string, string];

const LIMIT = 64 * 1024;
const COMPRESSION_ERROR = expect.objectContaining({ code: 9 });

function decodeAll(blocks: readonly (string | Buffer)[], decoder = new HeaderDecoder(LIMIT)): (Pair[] | undefined)[] {
  return blocks.map((one) => decodeOne(decoder, one));
}

function decodeOne(decoder: HeaderDecoder, bytes: string | Buffer): Pair[] | undefined {
  const block = typeof bytes === "string" ? Buffer.from(bytes.replaceAll(" ", ""), "hex") : bytes;
  return decoder.decode(block)?.map(({ name, value }) => [name, value] as const);
}

/** The table that a decoder has now, newest first: what the numbers from 62 on stand for. */
function tableOf(decoder: HeaderDecoder): Pair[] {
  const found: Pair[] = [];
  for (let index = 62; ; index++) {
    try {
      found.push(...(decodeOne(decoder, integer(0x80, 7, index)) as Pair[]));
    } catch {
      return found;
    }
  }
}

const first: Pair[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "www.example.com"],
];
const second: Pair[] = [...first, ["cache-control", "no-cache"]];
const third: Pair[] = [
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "/index.html"],
  [":authority", "www.example.com"],
  ["custom-key", "custom-value"],
];

const DATE = "Mon, 21 Oct 2013 20:13:21 GMT";
const LATER = "Mon, 21 Oct 2013 20:13:22 GMT";
const LOCATION: Pair = ["location", "https://www.example.com"];
const COOKIE: Pair = ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"];
const redirect: Pair[] = [[":status", "302"], ["cache-control", "private"], ["date", DATE], LOCATION];
const other: Pair[] = [[":status", "307"], ["cache-control", "private"], ["date", DATE], LOCATION];
const cookies: Pair[] = [
  [":status", "200"],
  ["cache-control", "private"],
  ["date", LATER],
  LOCATION,
  ["content-encoding", "gzip"],
  COOKIE,
];

describe("RFC 7541, appendix C", () => {
  it.each([
    ["C.1.1 the number 10 in 5 bits", Buffer.concat([Buffer.of(0x2a)]), 10],
    ["C.1.2 the number 1337 in 5 bits", Buffer.from("3f9a0a", "hex"), 1337],
  ])("%s, as a size of the table", (_what, bytes, size) => {
    const decoder = new HeaderDecoder(LIMIT);
    decoder.decode(bytes);
    const fits = block([["a", "b".repeat(Math.max(0, size - 33))]]);
    const kept = Buffer.concat([Buffer.of(0x40), fits.subarray(1)]);
    decoder.decode(kept);
    expect(tableOf(decoder)).toHaveLength(size < 33 ? 0 : 1);
    const large = block([["a", "b".repeat(Math.max(0, size - 32))]]);
    decoder.decode(Buffer.concat([Buffer.of(0x40), large.subarray(1)]));
    expect(tableOf(decoder)).toHaveLength(0);
  });

  it("C.1.3 the number 42 in 8 bits, as the length of a text", () => {
    expect(decodeAll([Buffer.concat([Buffer.of(0, 1, 0x61, 42), Buffer.alloc(42, "v")])])).toEqual([
      [["a", "v".repeat(42)]],
    ]);
  });

  it.each<[string, string, Pair, Pair[]]>([
    [
      "C.2.1 a literal that is kept",
      "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
      ["custom-key", "custom-header"],
      [["custom-key", "custom-header"]],
    ],
    ["C.2.2 a literal that is not", "040c 2f73 616d 706c 652f 7061 7468", [":path", "/sample/path"], []],
    ["C.2.3 a literal that must never be", "1008 7061 7373 776f 7264 0673 6563 7265 74", ["password", "secret"], []],
    ["C.2.4 an indexed header", "82", [":method", "GET"], []],
  ])("%s", (_what, bytes, expected, table) => {
    const decoder = new HeaderDecoder(LIMIT);
    expect(decodeAll([bytes], decoder)).toEqual([[expected]]);
    expect(tableOf(decoder)).toEqual(table);
  });

  it.each([
    [
      "C.3 requests",
      "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "8286 84be 5808 6e6f 2d63 6163 6865",
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ],
    [
      "C.4 requests, Huffman-coded",
      "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
      "8286 84be 5886 a8eb 1064 9cbf",
      "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ],
  ])("%s", (_what, ...blocks) => {
    const decoder = new HeaderDecoder(LIMIT);
    expect(decodeAll(blocks, decoder)).toEqual([first, second, third]);
    expect(tableOf(decoder)).toEqual([
      ["custom-key", "custom-value"],
      ["cache-control", "no-cache"],
      [":authority", "www.example.com"],
    ]);
  });

  it.each([
    [
      "C.5 answers, with a table that forgets",
      "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "4803 3330 37c1 c0bf",
      "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
    ],
    [
      "C.6 answers, Huffman-coded, with a table that forgets",
      "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
      "4883 640e ffc1 c0bf",
      "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ],
  ])("%s", (_what, ...blocks) => {
    const decoder = new HeaderDecoder(LIMIT);
    // The appendix has a table of 256 bytes.
    decoder.decode(integer(0x20, 5, 256));
    expect(decodeAll(blocks.slice(0, 2), decoder)).toEqual([redirect, other]);
    const [status, control, date, location] = [[":status", "307"], redirect[1], redirect[2], LOCATION];
    expect(tableOf(decoder)).toEqual([status, location, date, control]);
    expect(decodeAll(blocks.slice(2), decoder)).toEqual([cookies]);
    expect(tableOf(decoder)).toEqual([COOKIE, ["content-encoding", "gzip"], ["date", LATER]]);
  });
});

describe("a block can't be read", () => {
  const kept = "40 0161 0162";
  it.each([
    ["with the number 0", ["80"]],
    ["with a number beyond both tables", ["be"]],
    ["with a number beyond a table that has one", [kept, "bf"]],
    ["with a name of a number beyond both tables", ["7f 00 0161"]],
    ["with a number that is huge", [`ff${"ff".repeat(5)}7f`]],
    ["with a number that never ends", [`ff${"80".repeat(2000)}`]],
    ["with a number that breaks off", ["ff"]],
    ["with a number that breaks off later", ["ffff"]],
    ["with a name that breaks off", ["00 05 6161"]],
    ["with a value that breaks off", ["00 0161 05 62"]],
    ["with a value that is missing", ["00 0161"]],
    ["with a name that is missing", ["00"]],
    ["with a text of a length beyond everything", ["00 7fffffffff7f"]],
    ["with a change of the table's size behind a header", ["82 20"]],
    ["with a table beyond what was agreed", ["3fe2 1f"]],
    ["with a change of the table's size that breaks off", ["3f"]],
    ["with a header that a smaller table has forgotten", [kept, "20 be"]],
    ["with padding of zeros", ["00 0161 81 1e"]],
    ["with padding of a byte", ["00 0161 82 1fff"]],
    ["with padding that is a whole byte too long", ["00 0161 85 f1e3c2e5ff"]],
    ["with the end-of-string code", ["00 0161 84 ffffffff"]],
    ["with the end-of-string code between others", ["00 0161 86 1fffffffffff"]],
  ])("%s", (_what, blocks) => {
    const decoder = new HeaderDecoder(LIMIT);
    decodeAll(blocks.slice(0, -1), decoder);
    expect(() => decodeOne(decoder, blocks.at(-1) as string)).toThrow(COMPRESSION_ERROR);
  });
});

describe("the table", () => {
  it("takes the largest size that was agreed, and may be changed twice at the beginning of a block", () => {
    const decoder = new HeaderDecoder(LIMIT);
    expect(decodeAll(["40 0161 0162", "20 3fe11f 82", "40 0161 0163"], decoder)).toEqual([
      [["a", "b"]],
      [[":method", "GET"]],
      [["a", "c"]],
    ]);
    expect(tableOf(decoder)).toEqual([["a", "c"]]);
  });

  it("is emptied by a header that is larger than it, which is a header all the same", () => {
    const decoder = new HeaderDecoder(LIMIT);
    const large: Pair = ["a", "x".repeat(4096)];
    const bytes = Buffer.concat([Buffer.of(0x40), block([large]).subarray(1)]);
    expect(decodeAll(["40 0161 0162", bytes], decoder)).toEqual([[["a", "b"]], [large]]);
    expect(tableOf(decoder)).toEqual([]);
  });

  it("may forget a header of whose name it makes use", () => {
    const decoder = new HeaderDecoder(LIMIT);
    decoder.decode(integer(0x20, 5, 40));
    expect(decodeAll(["40 0461626364 0162", "7e 03787979"], decoder)).toEqual([[["abcd", "b"]], [["abcd", "xyy"]]]);
    expect(tableOf(decoder)).toEqual([["abcd", "xyy"]]);
  });
});

describe("headers beyond the limit", () => {
  it("are none, and the table is as if they were", () => {
    const decoder = new HeaderDecoder(100);
    expect(decodeAll(["40 0161 0162", "be be", "be be be", "40 0163 0164 be bf bf bf", "be bf"], decoder)).toEqual([
      [["a", "b"]],
      [
        ["a", "b"],
        ["a", "b"],
      ],
      undefined,
      undefined,
      [
        ["c", "d"],
        ["a", "b"],
      ],
    ]);
  });

  it("cost no memory by pointing at large ones again and again", () => {
    const decoder = new HeaderDecoder(16 * 1024);
    decoder.decode(Buffer.concat([Buffer.of(0x40), block([["a", "x".repeat(4000)]]).subarray(1)]));
    const before = process.memoryUsage().heapUsed;
    expect(decoder.decode(Buffer.alloc(16_384, 0xbe))).toBeUndefined();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(5_000_000);
  });
});

it("reads whatever bytes as headers or as none, and throws nothing else", () => {
  const coded = fc
    .uint8Array({ maxLength: 60 })
    .map((bytes) => Buffer.concat([Buffer.of(0, 1, 0x61, 0x80 | bytes.length), bytes]));
  const part = fc.oneof(fc.uint8Array({ maxLength: 30 }), coded, fc.constant(Buffer.from("4001610162", "hex")));
  const decoder = new HeaderDecoder(200);
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      try {
        const headers = decoder.decode(Buffer.concat(parts));
        const bytes = headers?.reduce((sum, { name, value }) => sum + name.length + value.length + 32, 0) ?? 0;
        expect(bytes).toBeLessThanOrEqual(200);
      } catch (error) {
        expect(error).toEqual(COMPRESSION_ERROR);
      }
    }),
    { numRuns: 20_000, seed: 7541 },
  );
});

const text = (maxLength: number) =>
  fc.oneof(
    fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength }),
    fc.constantFrom("", "gzip, deflate", "application/grpc", "x".repeat(127), "y".repeat(128), "\xff".repeat(300)),
  );
const name = fc.oneof(
  fc.constantFrom(":path", "content-type", "te", "authorization", "cookie", "accept-encoding", "x-a", "x-b"),
  text(20),
);
const field = fc.tuple(name, text(200), fc.boolean());
const lists = fc.array(
  fc.record({
    fields: fc.array(field, { minLength: 1, maxLength: 12 }),
    huffman: fc.boolean(),
    limit: fc.option(fc.integer({ min: 0, max: 4096 }), { nil: undefined, freq: 4 }),
  }),
  { minLength: 1, maxLength: 12 },
);

describe("it decodes what others encode:", () => {
  it("python3-hpack, whatever the headers and the sizes of the table", async () => {
    const python = startPythonHpack();
    const decoder = new HeaderDecoder(1024 * 1024);
    await fc.assert(
      fc.asyncProperty(lists, async (blocks) => {
        for (const { fields, huffman, limit } of blocks) {
          const bytes = await python.encode(fields, huffman, limit);
          expect(decodeOne(decoder, bytes)).toEqual(fields.map(([name, value]) => [name, value]));
        }
      }),
      { numRuns: 150, seed: 7541, endOnFailure: true },
    );
  });

  it("all bytes, Huffman-coded, alone and side by side", async () => {
    const python = startPythonHpack();
    const decoder = new HeaderDecoder(1024 * 1024);
    const all = String.fromCharCode(...Array.from({ length: 256 }, (_, code) => code));
    for (const value of [...all, all, [...all].reverse().join("")]) {
      const bytes = await python.encode([["x-a", value, true]], true);
      expect(decodeOne(decoder, bytes)).toEqual([["x-a", value]]);
    }
  });

  it("Node's client, request by request", async () => {
    const decoder = new HeaderDecoder(1024 * 1024);
    const seen: (Pair[] | undefined)[] = [];
    const server = createServer((socket) => {
      const reader = new FrameReader((type, _flags, _stream, payload) => {
        if (type === 1) seen.push(decodeOne(decoder, payload)?.filter(([name]) => !name.startsWith(":")));
      });
      let preface = 24;
      socket
        .on("error", () => undefined)
        .on("data", (chunk) => {
          reader.read(chunk.subarray(preface));
          preface = 0;
        });
      socket.write(Buffer.from("000000040000000000", "hex"));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    session.on("error", () => undefined);
    onTestFinished(() => {
      session.destroy();
      server.close();
    });
    const requests: Pair[][] = Array.from({ length: 200 }, (_, index) => [
      ["authorization", `Bearer ${"s".repeat(index)}`],
      ["x-changes", String(index * index)],
      ["x-stays", "1"],
      [`x-name-${index % 7}`, "\u00fc\u00ff".slice(index % 3)],
    ]);
    await once(session, "connect");
    for (const headers of requests) {
      session
        .request({ ":path": "/", ...Object.fromEntries(headers) }, { endStream: true })
        .on("error", () => undefined);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await expect.poll(() => seen.length).toBe(requests.length);
    expect(seen).toEqual(requests);
  });
});
