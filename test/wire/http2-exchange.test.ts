import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { serveStream } from "../../src/wire/http2-exchange.ts";
import type { Route, WireRequest, WireResponse } from "../../src/wire/request.ts";
import { dialPeer, type Peer } from "./http2/peer.ts";
import { listen } from "./http2/world.ts";
import { data, END_HEADERS, END_STREAM, type Fields, headers, reset, Type, widen } from "./http2-bytes.ts";

const GET: Fields = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/x?y"],
  [":authority", "a.example:1"],
];
const POST: Fields = [[":method", "POST"], ...GET.slice(1)];
const INITIAL_WINDOW = 4;

interface Exchange {
  readonly request: WireRequest;
  readonly response: WireResponse;
}

/** A server that only takes note of requests, and a client. */
async function meet(values = {}, route: Route = () => undefined) {
  const exchanges: Exchange[] = [];
  const served = await listen((stream) =>
    serveStream(stream, (request, response) => {
      exchanges.push({ request, response });
      route(request, response);
    }),
  );
  const peer = await dialPeer(served.port, { values });
  const ask = async (fields: Fields, flags = END_HEADERS | END_STREAM): Promise<Exchange> => {
    peer.send(headers(2 * exchanges.length + 1, fields, flags));
    await peer.settle();
    return exchanges.at(-1) as Exchange;
  };
  return { peer, ask, served };
}

function bodyOf(peer: Peer, stream = 1): string {
  return Buffer.concat(peer.of(Type.DATA, stream).map(({ payload }) => payload)).toString();
}

describe("a request", () => {
  it("has what Node's have", async () => {
    const { ask } = await meet();
    const { request } = await ask([
      ...GET,
      ["host", "other.example"],
      ["x-a", "1"],
      ["x-a", "2"],
      ["cookie", "a=1"],
      ["cookie", "b=2"],
      ["authorization", "first"],
      ["authorization", "second"],
      ["x-b", "\xe4"],
      ["__proto__", "x"],
    ]);
    expect([request.method, request.url, request.httpVersion, request.httpVersionMajor]).toEqual([
      "GET",
      "/x?y",
      "2.0",
      2,
    ]);
    expect({ ...request.headers }).toEqual({
      host: "a.example:1",
      "x-a": "1, 2",
      cookie: "a=1; b=2",
      authorization: "first",
      "x-b": "\xe4",
      ["__proto__"]: "x",
    });
    expect(request.rawHeaders.slice(-8)).toEqual([
      "authorization",
      "first",
      "authorization",
      "second",
      "x-b",
      "\xe4",
      "__proto__",
      "x",
    ]);
    expect(request.socket.remoteAddress).toBe("127.0.0.1");
  });

  it("has its body in order, and an end", async () => {
    const { peer, ask } = await meet();
    const { request } = await ask(POST, END_HEADERS);
    peer.send(data(1, Buffer.from("a")), data(1, Buffer.from("b")), data(1, Buffer.from("c"), END_STREAM));
    expect(Buffer.concat(await request.toArray()).toString()).toBe("abc");
  });

  it("has it however slowly it is read, and grants no more than was read", async () => {
    const { peer, ask } = await meet();
    const { request } = await ask(POST, END_HEADERS);
    for (let i = 0; i < 60_000; i += 100) peer.send(data(1, Buffer.alloc(100, i / 100)));
    await peer.settle();
    expect(peer.of(Type.WINDOW_UPDATE, 1)).toHaveLength(0);
    // It waits in one piece, and not in six hundred.
    const pieces = [];
    peer.send(data(1, Buffer.alloc(0), END_STREAM));
    for await (const piece of request) {
      pieces.push(piece.length);
      await turn();
    }
    expect(pieces.reduce((sum, size) => sum + size)).toBe(60_000);
    expect(pieces.length).toBeLessThan(4);
  });

  it("ends with an error where the client leaves in the middle of it", async () => {
    const { peer, ask } = await meet();
    const { request } = await ask(POST, END_HEADERS);
    const reading = request.toArray();
    peer.send(data(1, Buffer.from("a")), reset(1, 8));
    await expect(reading).rejects.toThrow("the client left");
  });

  it.each([
    ["100-continue", ["100", "200"]],
    ["100-Continue", ["100", "200"]],
    ["something else", ["200"]],
  ])("that expects %s is asked for its body, or not", async (expectation, statuses) => {
    const { peer, ask } = await meet();
    const { response } = await ask([...POST, ["expect", expectation]], END_HEADERS);
    response.end();
    await peer.answer(1);
    expect(peer.fields(1).filter(([name]) => name === ":status")).toEqual(statuses.map((one) => [":status", one]));
  });
});

describe("a response", () => {
  const finished = (response: WireResponse) => {
    const events: string[] = [];
    for (const event of ["finish", "close", "error"]) response.on(event, () => events.push(event));
    return events;
  };

  it("goes out with its headers, its body and its trailers, and finishes", async () => {
    const { peer, ask, served } = await meet();
    const { response } = await ask(GET);
    const events = finished(response);
    response.statusCode = 201;
    response.setHeader("X-Mine", "1");
    response.write("a");
    response.addTrailers({ "x-sum": "2" });
    response.end("b");
    const { body, headers: fields } = await peer.answer(1);
    expect(body.toString()).toBe("ab");
    expect(fields).toMatchObject({
      ":status": "201",
      "x-mine": "1",
      "x-sum": "2",
      date: expect.stringMatching(/GMT$/),
    });
    expect(peer.of(Type.HEADERS, 1)).toHaveLength(2);
    await vi.waitFor(() => expect(events).toEqual(["finish", "close"]));
    expect([response.writableFinished, response.headersSent, served.open()]).toEqual([true, true, 0]);
  });

  it("is one frame where there is nothing but headers", async () => {
    const { peer, ask } = await meet();
    const { response } = await ask(GET);
    const events = finished(response);
    response.statusCode = 204;
    response.end();
    await peer.answer(1);
    expect([peer.of(Type.HEADERS, 1).length, peer.of(Type.DATA, 1).length]).toEqual([1, 0]);
    await vi.waitFor(() => expect(events).toEqual(["finish", "close"]));
  });

  it("may be made before its listener is there", async () => {
    const { peer, ask, served } = await meet({}, (_request, response) => response.end("at once"));
    const { response } = await ask(GET);
    expect((await peer.answer(1)).body.toString()).toBe("at once");
    await vi.waitFor(() => expect(response.closed).toBe(true));
    expect([response.writableFinished, served.open()]).toEqual([true, 0]);
  });

  it("to HEAD has no body", async () => {
    const { peer, ask } = await meet();
    const { response } = await ask([[":method", "HEAD"], ...GET.slice(1)]);
    response.setHeader("content-length", "4");
    response.write("ab");
    response.end("cd");
    const { body, headers: fields } = await peer.answer(1);
    expect([body.length, fields["content-length"]]).toEqual([0, "4"]);
  });

  it("waits for the client's window, and writes no more than fits until then", async () => {
    const { peer, ask } = await meet({ [INITIAL_WINDOW]: 3 });
    const { response } = await ask(GET);
    const events = finished(response);
    expect(response.write("x".repeat(100_000))).toBe(false);
    const drained = new Promise((resolve) => response.once("drain", resolve));
    await peer.settle();
    expect(bodyOf(peer)).toBe("xxx");
    peer.send(widen(1, 200_000), widen(0, 200_000));
    await drained;
    response.end("y");
    expect((await peer.answer(1)).body).toHaveLength(100_001);
    await vi.waitFor(() => expect(events).toEqual(["finish", "close"]));
  });

  it.each<[string, (peer: Peer) => void]>([
    ["resets the stream", (peer) => peer.send(reset(1, 8))],
    ["hangs up", (peer) => peer.socket.destroy()],
    ["ends its half", (peer) => peer.socket.end()],
  ])("is destroyed, and never finishes, where the client %s in the middle of it", async (_what, leave) => {
    const { peer, ask, served } = await meet({ [INITIAL_WINDOW]: 3 });
    const { response } = await ask(GET);
    const events = finished(response);
    response.end("x".repeat(100));
    await peer.settle();
    leave(peer);
    await vi.waitFor(() => expect(events).toEqual(["close"]));
    expect(served.open()).toBe(0);
  });

  it("that is destroyed in the middle cuts its stream off, so that nobody takes it for whole", async () => {
    const { peer, ask } = await meet();
    const { response } = await ask(GET);
    response.write("half");
    await peer.settle();
    response.destroy();
    expect(await peer.answer(1)).toMatchObject({ resetCode: 2 });
  });

  it.each([
    ["a line break", "x-a", "1\r\nx-b: 2"],
    ["a line feed", "x-a", "1\n2"],
    ["a character that would become a line feed", "x-a", "1\u010a2"],
    ["a NUL", "x-a", "1\0"],
    ["a name that is none", "x a", "1"],
    ["a name with a line break", "x\na", "1"],
  ])("takes no header with %s", async (_what, name, value) => {
    const { peer, ask } = await meet();
    const { response } = await ask(GET);
    expect(() => response.setHeader(name, value)).toThrow(TypeError);
    expect(() => response.addTrailers({ [name]: value })).toThrow(TypeError);
    response.end();
    expect(Object.keys((await peer.answer(1)).headers)).toEqual([":status", "date"]);
  });
});
