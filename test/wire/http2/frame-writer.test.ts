import type { Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { expect, it, vi } from "vitest";
import { FrameWriter } from "../../../src/wire/http2/frame-writer.ts";
import { http2Frame, Type } from "../http2-bytes.ts";

/** What a socket is told to write, write by write. */
function collect() {
  const writes: Buffer[] = [];
  const socket = { destroyed: false, write: (bytes: Buffer) => writes.push(bytes) };
  return { writes, socket, writer: new FrameWriter(socket as unknown as Socket) };
}

const BODY = Buffer.alloc(16_384, 3);
const OTHER = Buffer.alloc(5000, 9);

it("writes all frames of a turn at once, byte for byte", async () => {
  const { writes, writer } = collect();
  writer.frame(Type.PING, 1, 0, Buffer.from("12345678"));
  writer.part(Type.DATA, 1, 2 ** 31 - 1, Buffer.from("abcdef"), 2, 5);
  writer.frame(Type.SETTINGS, 1, 0, Buffer.alloc(0));
  expect(writes).toEqual([]);
  await turn();
  expect(writes).toEqual([
    Buffer.concat([
      http2Frame(Type.PING, 1, 0, Buffer.from("12345678")),
      http2Frame(Type.DATA, 1, 2 ** 31 - 1, Buffer.from("cde")),
      http2Frame(Type.SETTINGS, 1, 0),
    ]),
  ]);
});

it("keeps the frames in order and apart where there are more than it holds, and on several sockets", async () => {
  const [one, two] = [collect(), collect()];
  for (let stream = 1; stream < 40; stream += 2) {
    one.writer.frame(Type.DATA, 0, stream, BODY);
    two.writer.frame(Type.DATA, 0, stream, OTHER);
  }
  await turn();
  const expected = (body: Buffer) =>
    Buffer.concat(Array.from({ length: 20 }, (_, at) => http2Frame(Type.DATA, 0, 2 * at + 1, body)));
  expect(Buffer.concat(one.writes).equals(expected(BODY))).toBe(true);
  expect(Buffer.concat(two.writes).equals(expected(OTHER))).toBe(true);
});

it("cuts a block of headers into as many frames as it takes", async () => {
  const { writes, writer } = collect();
  const block = Buffer.alloc(2 * 16_384 + 1, 5);
  writer.headers(7, block, true);
  writer.headers(9, Buffer.alloc(0), false);
  await turn();
  expect(Buffer.concat(writes)).toEqual(
    Buffer.concat([
      http2Frame(Type.HEADERS, 0x1, 7, block.subarray(0, 16_384)),
      http2Frame(Type.CONTINUATION, 0, 7, block.subarray(0, 16_384)),
      http2Frame(Type.CONTINUATION, 0x4, 7, block.subarray(0, 1)),
      http2Frame(Type.HEADERS, 0x4, 9),
    ]),
  );
});

it("lets frames wait behind a rest, and never writes them together with those before it", async () => {
  const { writes, writer } = collect();
  writer.frame(Type.PING, 0, 0, Buffer.from("answered"));
  writer.rest(30);
  writer.frame(Type.PING, 0, 0, Buffer.from("farewell"));
  writer.frame(Type.PING, 0, 0, Buffer.from("anything"));
  expect(writes.map((bytes) => bytes.subarray(9).toString())).toEqual(["answered"]);
  for (let i = 0; i < 5; i++) await turn();
  expect(writes).toHaveLength(1);
  await vi.waitFor(() => expect(writes).toHaveLength(2));
  expect(writes[1]?.toString()).toMatch(/farewell.*anything/s);
});

it("writes nothing to a socket that is gone", async () => {
  const { writes, writer, socket } = collect();
  writer.frame(Type.PING, 0, 0, Buffer.from("12345678"));
  socket.destroyed = true;
  await turn();
  writer.flush();
  expect(writes).toEqual([]);
});
