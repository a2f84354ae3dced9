import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { CreateRequestSchema } from "#gen/latchkey/v1/token_service_pb.ts";
import { type RunningServer, startServer } from "../../src/wire/server.ts";
import { createEcho, dial, expectServing, serverOptions } from "./fixtures.ts";
import { opening, request } from "./http2-bytes.ts";
import { CREATE, frame, openSession, type RawAnswer, send } from "./raw.ts";

const LIMIT = 1000;
const message = toBinary(CreateRequestSchema, create(CreateRequestSchema, { label: "x", kind: "ab" }));
const whole = frame(message);

let server: RunningServer;

beforeAll(async () => {
  server = await startServer({ ...serverOptions(createEcho()), limits: { messageBytes: LIMIT } });
  return () => server.close();
});

/** What a body must be answered with, worked out apart from the server. */
function expectedStatus(body: Buffer): "0" | "3" | "8" {
  if (body.length > LIMIT + 5) return "8";
  if (body.length < 5) return "3";
  if (body.readUInt32BE(1) > LIMIT) return "8";
  if (body[0] !== 0 || body.readUInt32BE(1) !== body.length - 5) return "3";
  try {
    fromBinary(CreateRequestSchema, body.subarray(5));
    return "0";
  } catch {
    return "3";
  }
}

function statusOf({ headers, trailers }: RawAnswer): unknown {
  return { ...headers, ...trailers }["grpc-status"];
}

async function sendAll(bodies: readonly Buffer[]): Promise<unknown[]> {
  const session = openSession(server);
  const answers = await Promise.all(bodies.map((body) => send(session, body)));
  return answers.map(statusOf);
}

const positions = Array.from(whole, (_, index) => index);

describe("a small message gets its status and no other, and the next call is served as before", () => {
  it("cut at every byte", async () => {
    const bodies = positions.map((end) => whole.subarray(0, end));
    expect(await sendAll(bodies)).toEqual(bodies.map(() => "3"));
    await expectServing(server);
  });

  it("with its own beginning, up to every byte, behind it", async () => {
    const bodies = positions.map((end) => Buffer.concat([whole, whole.subarray(0, end)]));
    expect(await sendAll(bodies)).toEqual(bodies.map((_, end) => (end === 0 ? "0" : "3")));
    await expectServing(server);
  });

  it("with every byte replaced by every other", async () => {
    const bodies = positions.flatMap((at) =>
      Array.from({ length: 256 }, (_, value) => {
        const body = Buffer.from(whole);
        body[at] = value;
        return body;
      }),
    );
    expect(await sendAll(bodies)).toEqual(bodies.map(expectedStatus));
    await expectServing(server);
  });

  it("torn into two DATA frames at every byte", async () => {
    const session = openSession(server);
    const statuses = positions.map((at) => sendApart(session, [whole.subarray(0, at), whole.subarray(at)]));
    expect(await Promise.all(statuses)).toEqual(positions.map(() => "0"));
    await expectServing(server);
  });

  it("in a conversation that ends at every byte", async () => {
    const conversation = Buffer.concat([opening(), ...request(1, whole)]);
    await Promise.all(
      Array.from(conversation, async (_, end) => {
        const { socket, closed } = await dial(server);
        socket.end(conversation.subarray(0, end));
        await closed;
      }),
    );
    await expectServing(server);
  });

  it("in a conversation with every bit of every byte wrong", async () => {
    const conversation = Buffer.concat([opening(), ...request(1, whole)]);
    for (const [at, byte] of conversation.entries()) {
      await Promise.all(
        [1, 2, 4, 8, 16, 32, 64, 128].map(async (bit) => {
          const corrupt = Buffer.from(conversation);
          corrupt[at] = byte ^ bit;
          const { socket, closed } = await dial(server);
          socket.end(corrupt);
          await closed;
        }),
      );
    }
    await expectServing(server);
  });
});

describe("whatever is sent, however torn", () => {
  const bytes = fc.uint8Array({ maxLength: 40 });
  const flags = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(255) });
  const length = fc.oneof(fc.constant(undefined), fc.nat(60), fc.nat(0xffffffff));
  const framed = fc
    .tuple(fc.oneof(bytes, fc.constant(message), fc.constant(new Uint8Array(LIMIT + 1))), flags, length)
    .map(([content, flag, claimed]) => frame(content, { flags: flag, length: claimed ?? content.length }));
  const body = fc
    .array(fc.oneof(framed, bytes, fc.constant(whole)), { maxLength: 3 })
    .map((parts) => Buffer.concat(parts));

  it("the lane and Connect answer the same status, the right one", async () => {
    const session = openSession(server);
    await fc.assert(
      fc.asyncProperty(body, fc.array(fc.nat(2000), { maxLength: 6 }), async (content, cuts) => {
        const [lane, connect] = await Promise.all([
          sendApart(session, tear(content, cuts)),
          send(session, content, { ":path": `${CREATE}?` }),
        ]);
        expect(lane).toBe(expectedStatus(content));
        expect(statusOf(connect)).toBe(lane);
      }),
      { numRuns: 400 },
    );
    await expectServing(server);
  });
});

function tear(content: Buffer, cuts: readonly number[]): Buffer[] {
  const edges = [0, ...cuts.map((cut) => cut % (content.length + 1)).sort((a, b) => a - b), content.length];
  return edges.slice(1).map((end, index) => content.subarray(edges[index], end));
}

/** Sends each piece in a DATA frame of its own. */
async function sendApart(session: ReturnType<typeof openSession>, pieces: readonly Buffer[]): Promise<unknown> {
  const stream = session.request({ ":method": "POST", ":path": CREATE, "content-type": "application/grpc" });
  let status: unknown;
  const look = (fields: Record<string, unknown>) => {
    status = fields["grpc-status"] ?? status;
  };
  stream
    .on("response", look)
    .on("trailers", look)
    .on("error", () => undefined)
    .resume();
  const closed = new Promise((resolve) => stream.once("close", resolve));
  for (const piece of pieces) {
    if (!stream.writable) break;
    await Promise.race([closed, new Promise((resolve) => stream.write(piece, resolve))]);
  }
  stream.end();
  await closed;
  return status;
}
