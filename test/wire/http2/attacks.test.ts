import type { Socket } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it, vi } from "vitest";
import { CreateRequestSchema } from "#gen/latchkey/v1/token_service_pb.ts";
import { raceAbort } from "../../../src/call/race-abort.ts";
import { defaultLimits } from "../../../src/wire/limits.ts";
import { createEcho, expectServing, start } from "../fixtures.ts";
import {
  block,
  data,
  END_HEADERS,
  END_STREAM,
  headers,
  http2Frame,
  opening,
  PREFACE,
  REQUEST,
  request,
  reset,
  settings,
  Type,
  widen,
} from "../http2-bytes.ts";
import { frame } from "../raw.ts";
import { dialPeer } from "./peer.ts";
import { answering, listen, OK, type Serve } from "./world.ts";

const CALM = 11;
const NOTHING = Buffer.alloc(0);
const message = (label: string) => frame(toBinary(CreateRequestSchema, create(CreateRequestSchema, { label })));

/** Calls that hang until their caller leaves, and how many there are. */
function hanging() {
  let running = 0;
  const call = createEcho(async (label, { signal }) => {
    if (label !== "hang") return;
    running++;
    await raceAbort(new Promise<never>(() => undefined), signal).finally(() => running--);
  });
  return { call, running: () => running };
}

it("a client may give up all calls in flight at once, and call on", async () => {
  const calls = hanging();
  const server = await start({ call: calls.call });
  const peer = await dialPeer(server.address.port);
  const streams = Array.from({ length: defaultLimits.maxConcurrentStreams }, (_, index) => 2 * index + 1);
  peer.send(...streams.flatMap((stream) => request(stream, message("hang"))));
  await vi.waitFor(() => expect(calls.running()).toBe(streams.length));
  peer.send(...streams.map((stream) => reset(stream, 8)), ...request(999, message("x")));
  expect((await peer.answer(999)).headers["grpc-status"]).toBe("0");
  expect(calls.running()).toBe(0);
});

describe("a client that opens streams and resets them, or has them reset", () => {
  const open = (stream: number) => Buffer.concat(request(stream, message("hang")));
  it.each<[string, (stream: number) => Buffer]>([
    ["with RST_STREAM (CVE-2023-44487)", (stream) => Buffer.concat([open(stream), reset(stream, 8)])],
    ["by WINDOW_UPDATE of 0 (CVE-2025-8671)", (stream) => Buffer.concat([open(stream), widen(stream, 0)])],
    ["by a window that is too large", (stream) => Buffer.concat([open(stream), widen(stream, 2 ** 31 - 1)])],
    ["by DATA behind its end", (stream) => Buffer.concat([open(stream), data(stream, NOTHING, END_STREAM)])],
    ["by HEADERS behind its end", (stream) => Buffer.concat([open(stream), headers(stream, REQUEST)])],
    [
      "by trailers that are none",
      (stream) => Buffer.concat([headers(stream, REQUEST, END_HEADERS), headers(stream, [[":path", "/"]])]),
    ],
    [
      "by a body that is not as long as announced",
      (stream) =>
        Buffer.concat([
          headers(stream, [...REQUEST, ["content-length", "1"]], END_HEADERS),
          data(stream, message("hang"), END_STREAM),
        ]),
    ],
    ["by headers that are none", (stream) => headers(stream, [...REQUEST, ["X", "1"]])],
    ["by headers that are too large", (stream) => headers(stream, [...REQUEST, ["x-a", "x".repeat(16_200)]])],
  ])("%s is cut off soon, and its calls end", async (_what, abuse) => {
    const calls = hanging();
    const server = await start({ call: calls.call });
    const peer = await dialPeer(server.address.port);
    for (let stream = 1; stream < 2000 && !peer.isClosed; stream += 2) {
      peer.send(abuse(stream));
      if (stream % 50 === 1) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await peer.failure()).toBe(CALM);
    const goaway = peer.frames.find(({ type }) => type === Type.GOAWAY);
    // 256 at once, and 33 a second.
    expect(goaway?.payload.readUInt32BE()).toBeLessThan(800);
    await vi.waitFor(() => expect(calls.running()).toBe(0));
    await expectServing(server);
  });
});

describe("a client that never ends its headers", () => {
  const begun = http2Frame(Type.HEADERS, 0, 1, block(REQUEST));
  it.each([
    ["frame by frame (CVE-2024-27316)", http2Frame(Type.CONTINUATION, 0, 1, Buffer.alloc(1000))],
    ["in frames without a byte", http2Frame(Type.CONTINUATION, 0, 1)],
  ])("%s is cut off", async (_what, more) => {
    const server = await start();
    const peer = await dialPeer(server.address.port);
    peer.send(begun, ...Array.from({ length: 10_000 }, () => more));
    expect(await peer.failure()).toBe(CALM);
    await expectServing(server);
  });

  it("but waits, costs no more than the others, and is hung up on when nothing came for long", async () => {
    const server = await start({ limits: { idleTimeout: 50 } });
    const peer = await dialPeer(server.address.port);
    peer.send(begun);
    await peer.closed;
    await expectServing(server);
  });
});

it("a client that fills the table and points at it again and again gets one answer, and no memory", async () => {
  const server = await start();
  const peer = await dialPeer(server.address.port);
  const large = Buffer.concat([Buffer.of(0x40), block([["x-a", "x".repeat(4000)]]).subarray(1)]);
  peer.send(http2Frame(Type.HEADERS, END_HEADERS, 1, Buffer.concat([block(REQUEST), large])), reset(1, 8));
  await peer.settle();
  const bomb = Buffer.concat([block(REQUEST), Buffer.alloc(16_000, 0xbe)]);
  const before = process.memoryUsage().heapUsed;
  peer.send(
    ...Array.from({ length: 50 }, (_, at) => http2Frame(Type.HEADERS, END_HEADERS | END_STREAM, 3 + 2 * at, bomb)),
  );
  expect((await peer.answer(101)).headers[":status"]).toBe("431");
  // They would have been 50 times 64 MB.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(50e6);
  peer.send(...request(103, message("x")));
  expect((await peer.answer(103)).headers["grpc-status"]).toBe("0");
});

describe("a client that asks and never reads", () => {
  /** More than the kernels of both ends hold. */
  const MANY = 40_000_000;
  const LARGE = Buffer.alloc(100_000);
  /** GET of `/`, in three bytes. */
  const shortest = (stream: number) =>
    http2Frame(Type.HEADERS, END_HEADERS | END_STREAM, stream, Buffer.of(0x82, 0x86, 0x84));
  const answerLater: Serve = (stream) => ({
    onEnd: () =>
      void setImmediate(() => {
        stream.respond(OK);
        stream.send(LARGE);
        stream.finish();
      }),
  });

  it.each<[string, (stream: number) => Buffer, number, number]>([
    ["pings", () => http2Frame(Type.PING, 0, 0, Buffer.alloc(8)), 0, 2e6],
    ["changes its settings", () => settings({ 4: 2 ** 31 - 1 }), 0, 2e6],
    ["opens streams beyond the most", shortest, 0, 2e6],
    ["has large answers", shortest, 128, 3 * 128 * LARGE.length],
  ])("and %s, is not read on, takes up little, and is served when it reads", async (_what, ask, streams, bound) => {
    const served = await listen(answerLater, { maxConcurrentStreams: streams });
    const peer = await dialPeer(served.port, { values: { 4: 2 ** 31 - 1 } });
    peer.send(widen(0, 2 ** 31 - 1 - 65_535));
    await peer.settle();
    peer.socket.pause();
    const { socket } = served.connections[0] as (typeof served.connections)[0];
    let most = 0;
    let sent = 0;
    for (let stream = 1, isTaken = true; isTaken && sent < MANY; stream += 4000) {
      const bytes = Buffer.concat(Array.from({ length: 2000 }, (_, at) => ask(stream + 2 * at)));
      sent += bytes.length;
      isTaken = peer.socket.write(bytes) || (await drains(peer.socket, socket));
      most = Math.max(most, socket.writableLength);
    }
    expect(socket.isPaused()).toBe(true);
    expect(sent).toBeLessThan(MANY);
    expect(most).toBeLessThan(bound);
    peer.socket.resume();
    await peer.settle();
    // What the client has read may not be all that was waiting, and the server may not have heard yet that it is gone.
    await vi.waitFor(() => expect([socket.isPaused(), served.open(), served.faults]).toEqual([false, 0, []]));
  });

  /** Whether the socket takes more; not if the server reads no more and nothing was taken for a while. */
  function drains(socket: Socket, server: Socket): Promise<boolean> {
    return new Promise((resolve) => {
      // A busy machine may take longer than that to read anything.
      const timer = setInterval(() => server.isPaused() && end(false), 300);
      const end = (isTaken: boolean) => {
        clearInterval(timer);
        socket.off("drain", take);
        resolve(isTaken);
      };
      const take = () => end(true);
      socket.once("drain", take);
    });
  }
});

describe("floods of small things are read to their end, and what follows is served", () => {
  const stream1 = headers(1, REQUEST, END_HEADERS);
  it.each<[string, Buffer[], Buffer]>([
    ["DATA without a byte", [stream1], data(1, NOTHING)],
    ["WINDOW_UPDATE", [], widen(0, 1)],
    ["WINDOW_UPDATE of a stream", [stream1], widen(1, 1)],
    ["PRIORITY", [], http2Frame(Type.PRIORITY, 0, 1, Buffer.of(0, 0, 0, 1, 1))],
    ["acknowledgements of PING", [], http2Frame(Type.PING, 1, 0, Buffer.alloc(8))],
    ["acknowledgements of SETTINGS", [], http2Frame(Type.SETTINGS, 1, 0)],
    ["unknown frames", [], http2Frame(0xee, 0, 0)],
  ])("10,000 times %s in one packet", async (_what, before, each) => {
    const server = await start();
    const peer = await dialPeer(server.address.port);
    peer.send(...before, ...Array.from({ length: 10_000 }, () => each), ...request(3, message("x")));
    expect((await peer.answer(3)).headers["grpc-status"]).toBe("0");
    await expectServing(server);
  });

  it("a conversation in packets of one byte", async () => {
    const server = await start();
    const peer = await dialPeer(server.address.port, { greet: false });
    for (const byte of Buffer.concat([opening(), ...request(1, message("x"))])) {
      peer.send(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await peer.answer(1)).headers["grpc-status"]).toBe("0");
  });
});

it.each([
  ["the lane", ""],
  ["Connect", "?"],
])("128 bodies in frames of one byte cost about as many bytes, through %s", async (_way, query) => {
  const server = await start();
  const peer = await dialPeer(server.address.port);
  const streams = Array.from({ length: 128 }, (_, index) => 2 * index + 1);
  const batch = REQUEST.map(
    ([name, value]) => [name, name === ":path" ? `/latchkey.v1.TokenService/BatchIntrospect${query}` : value] as const,
  );
  peer.send(...streams.map((stream) => headers(stream, batch, END_HEADERS)));
  // A frame that announces 60,000 bytes, and then 4,000 of them, each in a frame of its own in a packet of unknown frames.
  peer.send(...streams.map((stream) => data(stream, Buffer.of(0, 0, 0, 0xea, 0x60))));
  await peer.settle();
  const tiny = Buffer.concat(streams.map((stream) => data(stream, Buffer.of(7))));
  const before = memory();
  for (let i = 0; i < 4000; i++) {
    peer.send(tiny);
    if (i % 100 === 0) await peer.settle();
  }
  await peer.settle();
  // Half a megabyte of bodies; an object for each byte would be 60 MB, and their packets 5.
  expect(memory() - before).toBeLessThan(12e6);
  await expectServing(server);

  function memory(): number {
    (globalThis as { gc?: () => void }).gc?.();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  }
});

describe("nothing is left of a client", () => {
  const half = request(1, message("x"), { end: false });
  const whole = Buffer.concat([opening(), ...request(1, message("hang"))]);
  it.each<[string, Buffer[]]>([
    ["in the preface", [PREFACE.subarray(0, 23)]],
    ["behind the preface", [PREFACE]],
    ["in a frame's head", [opening(), http2Frame(Type.PING, 0, 0, Buffer.alloc(8)).subarray(0, 5)]],
    ["in a frame", [opening(), http2Frame(Type.PING, 0, 0, Buffer.alloc(8)).subarray(0, 12)]],
    ["in a block of headers", [opening(), http2Frame(Type.HEADERS, 0, 1, block(REQUEST))]],
    ["between headers and body", [opening(), half[0] as Buffer]],
    ["in a body", [opening(), ...half]],
    ["in a call", [whole]],
  ])("that goes %s", async (_what, bytes) => {
    for (const leave of ["end", "destroy", "resetAndDestroy"] as const) {
      const served = await listen(() => ({}));
      const peer = await dialPeer(served.port, { greet: false });
      peer.send(...bytes);
      await vi.waitFor(() => expect(served.connections[0]?.socket.bytesRead).toBe(Buffer.concat(bytes).length));
      peer.socket[leave]();
      await vi.waitFor(() => expect(served.connections[0]?.socket.closed).toBe(true));
      expect([served.open(), served.faults]).toEqual([0, []]);
    }
    const calls = hanging();
    const server = await start({ call: calls.call });
    const peer = await dialPeer(server.address.port, { greet: false });
    peer.send(...bytes);
    await expectServing(server);
    peer.socket.destroy();
    await vi.waitFor(() => expect(calls.running()).toBe(0));
    await expectServing(server);
  });

  it("in the middle of its answer", async () => {
    const served = await listen(answering(Buffer.alloc(100_000)));
    const peer = await dialPeer(served.port);
    peer.send(headers(1, REQUEST));
    await peer.frame(({ type }) => type === Type.DATA);
    expect(served.open()).toBe(1);
    peer.socket.destroy();
    await vi.waitFor(() => expect(served.open()).toBe(0));
  });

  it("with thousands of answered calls: neither streams nor listeners on its socket", async () => {
    const served = await listen((stream) => ({ onEnd: () => stream.respond(OK, true) }));
    const peer = await dialPeer(served.port);
    await peer.settle();
    const { socket } = served.connections[0] as (typeof served.connections)[0];
    const listeners = () => socket.eventNames().reduce((sum, name) => sum + socket.listenerCount(name), 0);
    const before = listeners();
    for (let stream = 1; stream < 6000; stream += 2) peer.send(headers(stream, REQUEST));
    await peer.answer(5999);
    expect([served.streams.length, served.open(), listeners()]).toEqual([3000, 0, before]);
  });
});

it("a client that leaves by GOAWAY is let go when its calls are done", async () => {
  const served = await listen((stream) => ({ onEnd: () => void setTimeout(() => stream.respond(OK, true), 20) }));
  const peer = await dialPeer(served.port);
  peer.send(headers(1, REQUEST), http2Frame(Type.GOAWAY, 0, 0, Buffer.alloc(8)));
  await peer.settle();
  peer.send(http2Frame(Type.PING, 1, 0, Buffer.from("farewell")));
  expect((await peer.answer(1)).headers).toEqual({ ":status": "200" });
  await peer.closed;
});

it("a client whose windows stay closed is not kept for ever when it says no more", async () => {
  const served = await listen(answering(Buffer.alloc(100)), { idleTimeout: 50 });
  const peer = await dialPeer(served.port, { values: { 4: 0 } });
  peer.send(headers(1, REQUEST));
  await peer.closed;
  await vi.waitFor(() => expect(served.open()).toBe(0));
});
