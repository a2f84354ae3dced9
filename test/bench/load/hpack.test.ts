import { once } from "node:events";
import { createServer, type OutgoingHttpHeaders } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { frame } from "../../../bench/load/frames.ts";
import { encodeTwice, type Header } from "../../../bench/load/hpack.ts";
import { FrameReader } from "../../../src/wire/http2/frame-reader.ts";
import { Flag, FrameType } from "../../../src/wire/http2/frames.ts";
import { HeaderDecoder } from "../../../src/wire/http2/header-decoder.ts";

const PRINTABLE = String.fromCharCode(...Array.from({ length: 95 }, (_, index) => 32 + index)).trim();

const ANSWERS: readonly OutgoingHttpHeaders[] = [
  { ":status": 200, "content-type": "application/grpc" },
  { ":status": 200, "content-type": "application/grpc", "x-all": PRINTABLE },
  { ":status": 404, "x-latin": "\u00e9\u00ff", "set-cookie": ["a=1", "b=2"] },
  // More than the table holds, so that it forgets what it knew.
  { ":status": 200, "x-long": "v".repeat(3000) },
  { ":status": 200, "x-longer": "w".repeat(3500) },
  { ":status": 200, "content-type": "application/grpc", "x-all": PRINTABLE },
  { ":status": 500, "x-long": "v".repeat(3000), "x-empty": "" },
];

const REQUEST: readonly Header[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/x"],
  [":authority", "localhost"],
  ["authorization", "Bearer 1"],
  ["x-long", "y".repeat(300)],
];

/** Sends as many requests as there are answers on one connection, and decodes the headers of what Node's server answers. */
async function askNode(answers: readonly OutgoingHttpHeaders[], requests: Header[][] = []): Promise<Header[][]> {
  const server = createServer();
  server.on("stream", (stream, _headers, _flags, raw: string[]) => {
    requests.push(
      Object.entries(Object.groupBy(raw, (_, index) => String(index >> 1))).map(([, pair]) => pair as never),
    );
    stream.respond(answers[(Number(stream.id) - 1) / 2], { endStream: true, sendDate: false } as never);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  onTestFinished(() => {
    socket.destroy();
    server.close();
  });
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(frame(FrameType.SETTINGS, 0, 0, Buffer.alloc(0)));
  const blocks = encodeTwice(REQUEST);
  const decoder = new HeaderDecoder(1024 * 1024);
  const found: Header[][] = [];
  const reader = new FrameReader((type, _flags, _stream, payload) => {
    if (type === FrameType.HEADERS) found.push((decoder.decode(payload) ?? []).map(({ name, value }) => [name, value]));
  });
  for (const index of answers.keys()) {
    const block = index === 0 ? blocks.first : blocks.later;
    socket.write(frame(FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, 2 * index + 1, block));
    while (found.length <= index) reader.read((await once(socket, "data"))[0]);
  }
  return found;
}

test("decodes what Node's server encodes, with a table that changes", async () => {
  const found = await askNode(ANSWERS);
  const expected = ANSWERS.map((headers) =>
    Object.entries(headers).flatMap(([name, value]) => [value].flat().map((one) => [name, String(one)])),
  );
  expect(found.map((headers) => headers.filter(([name]) => name !== "date"))).toEqual(expected);
});

test("encodes requests so that Node's server reads the same from the first block and the later ones", async () => {
  const requests: Header[][] = [];
  await askNode(ANSWERS.slice(0, 3), requests);
  expect(requests).toEqual([REQUEST, REQUEST, REQUEST]);
});
