import { connect as connectTcp, createServer, type Server } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { createGrpcTransport } from "@connectrpc/connect-node";
import pino from "pino";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { CreateRequestSchema } from "#gen/latchkey/v1/token_service_pb.ts";
import { type RunningServer, startServer } from "../../src/wire/server.ts";
import { createEcho, dial, echo, expectServing, serverOptions } from "./fixtures.ts";
import { grpcClients } from "./grpc-clients.ts";
import { frame, openSession, send } from "./raw.ts";

/** A generator of numbers from 0 to below `most` that are the same each time (mulberry32). */
function numbers(seed: number): (most: number) => number {
  let state = seed;
  return (most) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * most);
  };
}

let server: RunningServer;

beforeAll(async () => {
  const faults: unknown[] = [];
  // What is thrown inside ends up in the log.
  const log = pino({ level: "error" }, { write: (line: string) => void faults.push(line) });
  server = await startServer({ ...serverOptions(createEcho()), log, limits: { defaultTimeout: 500 } });
  const note = (error: unknown) => void faults.push(error);
  process.on("uncaughtException", note).on("unhandledRejection", note);
  return async () => {
    process.off("uncaughtException", note).off("unhandledRejection", note);
    await server.close();
    expect(faults).toEqual([]);
  };
});

/** Lets a client talk to the server through a proxy, and answers all that it said on its first connection. */
async function record(talk: (proxied: RunningServer) => Promise<unknown>): Promise<Buffer> {
  const said: Buffer[] = [];
  const proxy: Server = createServer((client) => {
    const upstream = connectTcp(server.address.port, server.address.host);
    client.on("data", (chunk) => said.push(chunk)).pipe(upstream);
    upstream.pipe(client);
    for (const socket of [client, upstream]) socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void proxy.close());
  const { port } = proxy.address() as { port: number };
  const address = { host: "127.0.0.1", port };
  await talk({ address, url: `http://127.0.0.1:${port}`, close: async () => undefined });
  return Buffer.concat(said);
}

const message = (label: string) => frame(toBinary(CreateRequestSchema, create(CreateRequestSchema, { label })));

async function callThrice(name: string, proxied: RunningServer): Promise<void> {
  const client = grpcClients[name]?.(proxied, "lane");
  for (const label of ["a", "b".repeat(300), "c"])
    await client?.create({ label, metadata: [["authorization", "Bearer x"]] });
  await client?.close();
}

const clients: [string, (proxied: RunningServer) => Promise<unknown>][] = [
  ["@grpc/grpc-js", (proxied) => callThrice("@grpc/grpc-js", proxied)],
  ["gRPC's C core", (proxied) => callThrice("python3-grpcio", proxied)],
  [
    "connect-node",
    async (proxied) => {
      const transport = createGrpcTransport({ baseUrl: proxied.url });
      await Promise.all([echo(transport, "a"), echo(transport, "b"), echo(transport, "c")]);
    },
  ],
  [
    "Node's client, with Connect and an endpoint",
    async (proxied) => {
      const session = openSession(proxied);
      await send(session, Buffer.from("{}"), { "content-type": "application/json" });
      await send(session, message("x"), { "content-type": "application/grpc-web+proto" });
      await send(session, Buffer.alloc(0), { ":method": "GET", ":path": "/healthz" });
    },
  ],
];

const PREFACE_BYTES = 24;

/** The frames behind the preface; the last may be cut off. */
function framesOf(said: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = PREFACE_BYTES; at + 9 <= said.length; ) {
    const end = at + 9 + said.readUIntBE(at, 3);
    frames.push(said.subarray(at, end));
    at = end;
  }
  return frames;
}

type Random = (most: number) => number;

function swap<T>(items: readonly T[], random: Random): T[] {
  const copy = [...items];
  const [one, two] = [random(copy.length), random(copy.length)];
  [copy[one], copy[two]] = [copy[two] as T, copy[one] as T];
  return copy;
}

const rejoin = (said: Buffer, frames: readonly Buffer[]) => Buffer.concat([said.subarray(0, PREFACE_BYTES), ...frames]);

/** Ways to spoil what a client said. */
const mutations: Record<string, (said: Buffer, random: Random) => Buffer> = {
  "flips a bit"(said, random) {
    const copy = Buffer.from(said);
    const at = PREFACE_BYTES + random(copy.length - PREFACE_BYTES);
    copy[at] = (copy[at] as number) ^ (1 << random(8));
    return copy;
  },
  "changes ten bytes"(said, random) {
    const copy = Buffer.from(said);
    for (let i = 0; i < 10; i++) copy[PREFACE_BYTES + random(copy.length - PREFACE_BYTES)] = random(256);
    return copy;
  },
  "cuts the end off": (said, random) => said.subarray(0, random(said.length)),
  "cuts a piece out"(said, random) {
    const at = PREFACE_BYTES + random(said.length - PREFACE_BYTES);
    return Buffer.concat([said.subarray(0, at), said.subarray(at + 1 + random(20))]);
  },
  "says a piece twice"(said, random) {
    const at = PREFACE_BYTES + random(said.length - PREFACE_BYTES);
    return Buffer.concat([said.subarray(0, at + random(100)), said.subarray(at)]);
  },
  "says frames in another order": (said, random) => rejoin(said, swap(swap(framesOf(said), random), random)),
  "says a frame twice"(said, random) {
    const frames = framesOf(said);
    frames.splice(random(frames.length), 0, frames[random(frames.length)] as Buffer);
    return rejoin(said, frames);
  },
  "leaves a frame out"(said, random) {
    const frames = framesOf(said);
    frames.splice(random(frames.length), 1);
    return rejoin(said, frames);
  },
  "gives a frame another head"(said, random) {
    const frames = framesOf(said).map((one) => Buffer.from(one));
    const one = frames[random(frames.length)] as Buffer;
    const at = 3 + random(6);
    one[at] = at === 3 ? random(11) : random(256);
    return rejoin(said, frames);
  },
};

const ROUNDS = 60;

describe.each(clients)("%s", (name, talk) => {
  it.each(Object.entries(mutations))("may be garbled: someone %s", async (way, mutate) => {
    const said = await record(talk);
    const random = numbers([...`${name} ${way}`].reduce((sum, char) => sum * 31 + char.charCodeAt(0), 7) | 0);
    const conversations = Array.from({ length: ROUNDS }, () => mutate(said, random));
    await Promise.all(
      conversations.map(async (garbled) => {
        const { socket, closed } = await dial(server);
        // In two packets, or else all is read at once.
        const cut = random(garbled.length);
        socket.write(garbled.subarray(0, cut));
        await new Promise((resolve) => setImmediate(resolve));
        socket.end(garbled.subarray(cut));
        await closed;
      }),
    );
    await expectServing(server);
  });
});
