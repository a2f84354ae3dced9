import { setTimeout as delay } from "node:timers/promises";
import { createGrpcTransport } from "@connectrpc/connect-node";
import pino from "pino";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { createInFlight } from "../../../src/wire/in-flight.ts";
import { defaultLimits } from "../../../src/wire/limits.ts";
import { createUnaryLane } from "../../../src/wire/unary-lane.ts";
import { createEcho, echo } from "../fixtures.ts";
import { grpcClients } from "../grpc-clients.ts";
import {
  ACK,
  data,
  END_HEADERS,
  END_STREAM,
  headers,
  http2Frame,
  REQUEST,
  reset,
  Type,
  widen,
} from "../http2-bytes.ts";
import { dialPeer, type Frame, type Peer } from "./peer.ts";
import { answering, listen, OK, type Served } from "./world.ts";

const FOREVER = 2 ** 31 - 1;
const WHOLE = END_HEADERS | END_STREAM;

function shutDown(served: Served): void {
  for (const connection of served.connections) connection.shutDown();
}

const isGoaway = ({ type }: Frame) => type === Type.GOAWAY;
const goaways = (peer: Peer) =>
  peer.frames.filter(isGoaway).map(({ payload }) => [payload.readUInt32BE(), payload.readUInt32BE(4)]);

/** Waits for the server's PING and answers it, as clients do. */
async function answerPing(peer: Peer): Promise<void> {
  const { payload } = await peer.frame(({ type, flags }) => type === Type.PING && flags === 0);
  peer.send(http2Frame(Type.PING, ACK, 0, payload));
}

/** A server that answers when it is told to, and a client with one call under way. */
async function meet() {
  const answers: (() => void)[] = [];
  const served = await listen((stream) => ({ onEnd: () => void answers.push(() => stream.respond(OK, true)) }));
  const peer = await dialPeer(served.port);
  peer.send(headers(1, REQUEST));
  await peer.settle();
  return { served, peer, answers };
}

describe("a connection that ends (RFC 9113, section 6.8)", () => {
  it("serves what was opened before its client knew, and names the last of them", async () => {
    const { served, peer, answers } = await meet();
    shutDown(served);
    await peer.frame(isGoaway);
    expect(goaways(peer)).toEqual([[FOREVER, 0]]);
    peer.send(headers(3, REQUEST), headers(5, REQUEST, END_HEADERS));
    await answerPing(peer);
    await peer.frame((frame) => isGoaway(frame) && frame.payload.readUInt32BE() === 5);
    expect(goaways(peer)).toEqual([
      [FOREVER, 0],
      [5, 0],
    ]);
    peer.send(data(5, Buffer.alloc(9), END_STREAM));
    await peer.settle();
    for (const answer of answers) answer();
    for (const stream of [1, 3, 5]) expect((await peer.answer(stream)).headers).toEqual({ ":status": "200" });
    await peer.closed;
  });

  it("ignores what is opened after that, whatever the client says about it", async () => {
    const { served, peer, answers } = await meet();
    shutDown(served);
    await answerPing(peer);
    await peer.frame((frame) => isGoaway(frame) && frame.payload.readUInt32BE() === 1);
    peer.send(headers(3, REQUEST), widen(3, 1), reset(3, 8));
    peer.send(
      headers(5, REQUEST, END_HEADERS),
      data(5, Buffer.alloc(9)),
      widen(5, 1),
      data(5, Buffer.alloc(9), END_STREAM),
    );
    peer.send(headers(7, REQUEST, END_HEADERS), headers(7, [], WHOLE), widen(7, 1));
    await peer.settle();
    expect(served.streams).toHaveLength(1);
    answers[0]?.();
    expect((await peer.answer(1)).headers).toEqual({ ":status": "200" });
    await peer.closed;
    expect(goaways(peer)).toHaveLength(2);
  });

  it("names in the GOAWAY of an error no stream beyond the one that it named before", async () => {
    const { served, peer } = await meet();
    shutDown(served);
    await answerPing(peer);
    peer.send(headers(3, REQUEST), http2Frame(Type.PING, 0, 9));
    await peer.failure();
    expect(goaways(peer)).toEqual([
      [FOREVER, 0],
      [1, 0],
      [1, 1],
    ]);
  });

  it("does not wait for a client that does not answer its PING", async () => {
    const { served, peer, answers } = await meet();
    shutDown(served);
    answers[0]?.();
    await peer.closed;
    expect(goaways(peer)).toEqual([
      [FOREVER, 0],
      [1, 0],
    ]);
  });

  it("gets the answers under way to a client that is slow to read and says this and that meanwhile", async () => {
    const body = Buffer.alloc(20_000_000, 7);
    const served = await listen(answering(body));
    const peer = await dialPeer(served.port, { values: { 4: FOREVER } });
    peer.send(widen(0, FOREVER - 65_535));
    await peer.settle();
    peer.send(headers(1, REQUEST));
    await peer.frame(({ type }) => type === Type.DATA);
    peer.socket.pause();
    shutDown(served);
    peer.send(http2Frame(Type.PING, ACK, 0, Buffer.from("farewell")));
    // Longer than a client gets that takes nothing; and it pings, which can't be answered any more.
    for (let i = 0; i < 15; i++) {
      await delay(100);
      peer.send(http2Frame(Type.PING, 0, 0, Buffer.alloc(8)));
    }
    peer.socket.resume();
    expect((await peer.answer(1)).body).toHaveLength(body.length);
    await peer.closed;
    await vi.waitFor(() => expect(served.connections[0]?.socket.closed).toBe(true));
  });
});

/** Serves the lane on connections that end again and again, and how often they did. */
async function startRestless() {
  const inFlight = createInFlight(new AbortController().signal);
  const call = createEcho(() => delay(Math.random() * 4));
  const log = pino({ level: "silent" });
  const takeUnary = createUnaryLane({ call, limits: defaultLimits, inFlight, log });
  const served = await listen((stream) => takeUnary(stream) ?? {});
  const told = new Set<object>();
  const restlessness = setInterval(() => {
    for (const connection of served.connections) {
      if (connection.socket.destroyed) continue;
      told.add(connection);
      connection.shutDown();
    }
  }, 10);
  onTestFinished(() => clearInterval(restlessness));
  return { served, goneAway: () => told.size };
}

describe("no call is lost when its connection ends, however often:", () => {
  const CALLERS = 16;
  const CALLS = 40;
  const labels = Array.from({ length: CALLERS }, (_, caller) =>
    Array.from({ length: CALLS }, (_, at) => `${caller}/${at}`),
  );

  async function callAll(call: (label: string) => Promise<{ label: string }>) {
    const outcomes = await Promise.all(
      labels.map(async (mine) => {
        const ends: string[] = [];
        for (const label of mine) {
          ends.push(
            await call(label).then(
              (seen) => seen.label,
              (error) => `${label} was lost: ${error}`,
            ),
          );
        }
        return ends;
      }),
    );
    expect(outcomes.flat().filter((end) => end.includes("lost"))).toEqual([]);
    expect(outcomes).toEqual(labels);
  }

  it("connect-node", async () => {
    const { served, goneAway } = await startRestless();
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${served.port}` });
    await callAll((label) => echo(transport, label));
    expect(goneAway()).toBeGreaterThan(5);
  });

  it("@grpc/grpc-js", async () => {
    const { served, goneAway } = await startRestless();
    const address = { host: "127.0.0.1", port: served.port };
    const client = grpcClients["@grpc/grpc-js"]?.({ address, url: "", close: async () => undefined }, "lane");
    onTestFinished(() => void client?.close());
    await callAll(async (label) => {
      const outcome = await client?.create({ label });
      if (!outcome || !("seen" in outcome)) throw new Error(outcome?.message);
      return outcome.seen;
    });
    expect(goneAway()).toBeGreaterThan(5);
  });
});
