import { describe, expect, it, vi } from "vitest";
import type { Http2Stream } from "../../../src/wire/http2/stream.ts";
import {
  data,
  END_HEADERS,
  END_STREAM,
  headers,
  http2Frame,
  PADDED,
  REQUEST,
  settings,
  Type,
  widen,
} from "../http2-bytes.ts";
import { dialPeer, type Peer } from "./peer.ts";
import { answering, listen, OK } from "./world.ts";

const INITIAL_WINDOW = 4;
const FLOW_CONTROL = 3;

function random(size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, (_, at) => (at * 31 + (at >> 8)) & 0xff));
}

function received(peer: Peer, stream: number): number {
  return peer.of(Type.DATA, stream).reduce((sum, { payload }) => sum + payload.length, 0);
}

describe("an answer goes out as the client's windows let it", () => {
  it("whole, where they are large, in frames that every client takes", async () => {
    const body = random(40_000);
    const peer = await dialPeer((await listen(answering(body))).port);
    peer.send(headers(1, REQUEST));
    expect((await peer.answer(1)).body).toEqual(body);
    expect(peer.of(Type.DATA, 1).map(({ payload }) => payload.length)).toEqual([16_384, 16_384, 7232, 0]);
  });

  it("not at all, where the stream's is 0; and then byte by byte", async () => {
    const body = random(5);
    const peer = await dialPeer((await listen(answering(body))).port, { values: { [INITIAL_WINDOW]: 0 } });
    peer.send(headers(1, REQUEST));
    for (let size = 0; size < 5; size++) {
      await peer.settle();
      expect(received(peer, 1)).toBe(size);
      peer.send(widen(1, 1));
    }
    expect((await peer.answer(1)).body).toEqual(body);
  });

  it("an empty body where the stream's is 0", async () => {
    const served = await listen(answering(Buffer.alloc(0)));
    const peer = await dialPeer(served.port, { values: { [INITIAL_WINDOW]: 0 } });
    peer.send(headers(1, REQUEST));
    expect(await peer.answer(1)).toMatchObject({ headers: { ":status": "200" }, resetCode: undefined });
  });

  it.each([
    ["larger", 100, 300, 300],
    ["smaller", 100, 50, 100],
    ["smaller than what was sent, so that it is below zero", 100, 0, 100],
  ])("when SETTINGS make the window %s in the middle of it", async (_what, before, after, expected) => {
    const body = random(1000);
    const peer = await dialPeer((await listen(answering(body))).port, { values: { [INITIAL_WINDOW]: before } });
    peer.send(headers(1, REQUEST));
    await peer.settle();
    expect(received(peer, 1)).toBe(before);
    peer.send(settings({ [INITIAL_WINDOW]: after }));
    await peer.settle();
    expect(received(peer, 1)).toBe(expected);
    // What is missing below zero has to be made up for first.
    peer.send(widen(1, 10));
    await peer.settle();
    expect(received(peer, 1)).toBe(Math.max(expected, after + 10));
    peer.send(widen(1, 2000));
    expect((await peer.answer(1)).body).toEqual(body);
  });

  it("empty parts of it, too, while the window is below zero", async () => {
    let streamed: Http2Stream | undefined;
    const served = await listen((stream) => {
      streamed = stream;
      return { onEnd: () => stream.respond(OK) };
    });
    const peer = await dialPeer(served.port, { values: { [INITIAL_WINDOW]: 10 } });
    peer.send(headers(1, REQUEST));
    await peer.frame(({ type, stream }) => type === Type.HEADERS && stream === 1);
    streamed?.send(random(10));
    await peer.settle();
    peer.send(settings({ [INITIAL_WINDOW]: 5 }));
    await peer.settle();
    streamed?.send(Buffer.alloc(0));
    streamed?.send(Buffer.from("rest"));
    streamed?.finish();
    await peer.settle();
    expect(received(peer, 1)).toBe(10);
    peer.send(widen(1, 9));
    expect((await peer.answer(1)).body).toEqual(Buffer.concat([random(10), Buffer.from("rest")]));
  });

  it("all of them, where the connection's window is exhausted and several wait", async () => {
    const body = random(50_000);
    const peer = await dialPeer((await listen(answering(body))).port);
    const streams = Array.from({ length: 20 }, (_, index) => 2 * index + 1);
    peer.send(...streams.map((stream) => headers(stream, REQUEST)));
    await peer.settle();
    const total = () => streams.reduce((sum, stream) => sum + received(peer, stream), 0);
    expect(total()).toBe(65_535);
    peer.send(widen(0, 1));
    await peer.settle();
    expect(total()).toBe(65_536);
    while (total() < 20 * body.length) {
      peer.send(widen(0, 30_001));
      await peer.settle();
    }
    for (const stream of streams) expect((await peer.answer(stream)).body).toEqual(body);
  });

  it("past one that waits for its own window", async () => {
    const peer = await dialPeer((await listen(answering(random(60_000)))).port, { values: { [INITIAL_WINDOW]: 100 } });
    peer.send(headers(1, REQUEST), headers(3, REQUEST), widen(3, 59_900));
    expect((await peer.answer(3)).body).toHaveLength(60_000);
    expect(received(peer, 1)).toBe(100);
  });

  it("as it was, whatever is written over it while it waits", async () => {
    const scratch = Buffer.from("for the one");
    const peer = await dialPeer((await listen(answering(scratch))).port, { values: { [INITIAL_WINDOW]: 4 } });
    peer.send(headers(1, REQUEST));
    await peer.settle();
    scratch.write("the other's");
    peer.send(widen(1, 100));
    expect((await peer.answer(1)).body.toString()).toBe("for the one");
  });

  it("not to a stream that is gone while it waits", async () => {
    const served = await listen(answering(random(65_535)));
    const peer = await dialPeer(served.port);
    peer.send(headers(1, REQUEST), headers(3, REQUEST), headers(5, REQUEST));
    await peer.settle();
    peer.send(http2Frame(Type.RST_STREAM, 0, 3, Buffer.from([0, 0, 0, 8])), widen(0, 65_535));
    expect((await peer.answer(5)).body).toHaveLength(65_535);
    expect(received(peer, 3)).toBe(0);
    expect(served.open()).toBe(0);
  });
});

const open = (stream: number) => headers(stream, REQUEST, END_HEADERS);
/** The most that a stream takes at once, in frames. */
const fill = (stream: number) => [...[0, 1, 2].map(() => data(stream, random(16_384))), data(stream, random(16_383))];
const granted = (peer: Peer, stream: number) =>
  peer.of(Type.WINDOW_UPDATE, stream).reduce((sum, { payload }) => sum + payload.readUInt32BE(), 0);

describe("a request's body", () => {
  it("of a megabyte arrives whole, in windows that are granted as it is taken", async () => {
    const chunks: Buffer[] = [];
    const served = await listen((stream) => ({
      onData: (bytes) => {
        chunks.push(bytes);
        stream.grant(bytes.length);
      },
      onEnd: () => stream.respond(OK, true),
    }));
    const peer = await dialPeer(served.port);
    peer.send(open(1));
    const body = random(1024 * 1024);
    let window = 65_535;
    let seen = 0;
    for (let at = 0; at < body.length; ) {
      const size = Math.min(16_384, window, body.length - at);
      peer.send(data(1, body.subarray(at, at + size), at + size === body.length ? END_STREAM : 0));
      at += size;
      window -= size;
      if (window === 0)
        await peer.frame(({ type, stream }) => type === Type.WINDOW_UPDATE && stream === 1 && granted(peer, 1) > seen);
      window += granted(peer, 1) - seen;
      seen = granted(peer, 1);
    }
    await peer.answer(1);
    expect(Buffer.concat(chunks)).toEqual(body);
  });

  it("that nobody takes is not granted again", async () => {
    const peer = await dialPeer((await listen(() => ({}))).port);
    peer.send(open(1), ...fill(1));
    await peer.settle();
    expect(granted(peer, 1)).toBe(0);
    peer.send(data(1, Buffer.of(1)));
    expect((await peer.answer(1)).resetCode).toBe(FLOW_CONTROL);
  });

  it("counts with its padding, which is granted again at once", async () => {
    const peer = await dialPeer((await listen(() => ({}))).port);
    const padding = http2Frame(Type.DATA, PADDED, 1, Buffer.concat([Buffer.of(255), Buffer.alloc(255)]));
    peer.send(open(1), ...Array.from({ length: 1000 }, () => padding));
    await peer.settle();
    expect(granted(peer, 1)).toBeGreaterThan(256_000 - 65_535 / 2);
  });

  const CONNECTION = 256 * 1024;
  const STREAMS = 4;

  it("counts as memory of the connection until it is whole or its stream closed, and no more than agreed is taken", async () => {
    const served = await listen((stream) => ({ onData: (bytes) => stream.grant(bytes.length) }), {
      connectionBytes: CONNECTION,
    });
    const peer = await dialPeer(served.port);
    await peer.settle();
    expect(granted(peer, 0)).toBe(CONNECTION - 65_535);
    for (let stream = 1; stream <= 2 * STREAMS; stream += 2) peer.send(open(stream), ...fill(stream));
    await peer.settle();
    // They are granted by their streams, but not by the connection.
    expect(granted(peer, 1)).toBeGreaterThan(0);
    expect(granted(peer, 0)).toBe(CONNECTION - 65_535);
    peer.send(http2Frame(Type.RST_STREAM, 0, 1, Buffer.from([0, 0, 0, 8])));
    await peer.settle();
    peer.send(data(3, Buffer.alloc(0), END_STREAM));
    await peer.settle();
    expect(granted(peer, 0)).toBe(CONNECTION - 65_535 + 2 * 65_535);
    peer.send(open(9), ...fill(9), open(11), ...fill(11), open(13), data(13, random(5)));
    expect(await peer.failure()).toBe(FLOW_CONTROL);
  });

  it.each<[string, (stream: Http2Stream) => void]>([
    ["is answered early", (stream) => stream.respond(OK, true)],
    ["is cut off", (stream) => stream.reset(8)],
    ["is answered, but not to the end", (stream) => stream.respond(OK)],
    ["is taken and answered bit by bit", (stream) => stream.respond(OK)],
  ])("gives back all that it took of the connection's window when it %s", async (_what, answer) => {
    const served = await listen(
      (stream) => {
        let isFirst = true;
        return {
          onData: (bytes) => {
            stream.grant(bytes.length);
            if (isFirst) answer(stream);
            isFirst = false;
          },
        };
      },
      { connectionBytes: CONNECTION, streamResetBurst: 1e6 },
    );
    const peer = await dialPeer(served.port);
    for (let round = 0; round < 40; round++) {
      const stream = 2 * round + 1;
      peer.send(open(stream), ...fill(stream));
      await peer.settle();
      expect(granted(peer, 0)).toBeGreaterThan((round + 1) * 65_535 - CONNECTION / 4);
    }
    expect(served.faults).toEqual([]);
  });

  it("gives it back, too, when it comes late, is refused, or has headers that are too large", async () => {
    const served = await listen(() => ({}), { connectionBytes: CONNECTION, maxConcurrentStreams: 0 });
    const peer = await dialPeer(served.port);
    const large = headers(3, [...REQUEST, ["x-a", "x".repeat(16_000)]], END_HEADERS);
    for (const [stream, head] of [
      [1, open(1)],
      [3, large],
      [5, headers(5, [...REQUEST, ["X", ""]], END_HEADERS)],
    ] as const) {
      peer.send(head, ...fill(stream), ...fill(stream));
      await peer.settle();
    }
    expect(granted(peer, 0)).toBeGreaterThan(6 * 65_535 - CONNECTION / 4);
  });
});

it("tells its listener of the end even if it is answered before there is one", async () => {
  const onClose = vi.fn();
  const served = await listen((stream) => {
    stream.respond(OK, true);
    return { onClose };
  });
  const peer = await dialPeer(served.port);
  peer.send(headers(1, REQUEST));
  await peer.answer(1);
  expect(onClose).toHaveBeenCalledOnce();
  expect(served.open()).toBe(0);
});
