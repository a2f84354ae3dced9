import { constants } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { CreateRequestSchema, CreateResponseSchema } from "#gen/latchkey/v1/token_service_pb.ts";
import type { Call, CallSignal } from "../../src/call/call.ts";
import { raceAbort } from "../../src/call/race-abort.ts";
import { TokenError } from "../../src/errors.ts";
import { createAuthority } from "../support/tls.ts";
import { createEcho, dial, expectServing, start } from "./fixtures.ts";
import { grpcClients, type Way } from "./grpc-clients.ts";
import { dialPeer } from "./http2/peer.ts";
import { opening, request, reset, widen } from "./http2-bytes.ts";
import { CREATE, frame, grpcStatusOf, openSession, type RawAnswer, send } from "./raw.ts";

const good = toBinary(CreateRequestSchema, create(CreateRequestSchema, { label: "x" }));
const INITIAL_WINDOW = 4;
const ways: Way[] = ["lane", "Connect"];
const paths = { lane: CREATE, Connect: `${CREATE}?` };

/** Fails, hangs or echoes as the label says. */
const behave = createEcho((label, { signal }) => {
  if (label === "taken") throw new TokenError("LABEL_TAKEN", "the label is taken: 100 %, ü\n");
  if (label === "field") {
    throw new TokenError("LIFETIME_INVALID", "ttl: no", { violations: [{ field: "ttl", description: "no" }] });
  }
  if (label === "lost") throw new TokenError("STORE_UNAVAILABLE", "the store is away", { retryDelay: 3000 });
  if (label === "broken") throw new TypeError("canary lk_pat_secret");
  return label === "hang" ? hang(signal) : undefined;
});

function hang(signal: CallSignal): Promise<never> {
  return raceAbort(new Promise<never>(() => undefined), signal);
}

/** Calls labelled `hang` hang; how each of them ended is noted. */
function watchHanging() {
  const reasons: unknown[] = [];
  const entered = vi.fn();
  const call = createEcho(async (label, { signal }) => {
    entered();
    if (label === "hang") await hang(signal).catch((reason) => reasons.push(reason));
  });
  return { call, reasons, entered };
}

/** All that a client can tell an answer by, wherever it stands. */
function essenceOf({ headers, trailers, body, resetCode }: RawAnswer) {
  const { "content-type": _, date: _date, ...fields } = { ...headers, ...trailers };
  return { ...fields, body: body.toString("latin1"), resetCode };
}

function labelled(label: string): Buffer {
  return frame(toBinary(CreateRequestSchema, create(CreateRequestSchema, { label })));
}

describe("a call through the lane answers to the byte what it answers through Connect", () => {
  it.each([
    ["echoes", labelled("hello ü"), {}, "0"],
    ["is empty", frame(Buffer.alloc(0)), {}, "0"],
    ["says that it is not compressed", labelled("x"), { "grpc-encoding": "identity" }, "0"],
    ["would take a compressed answer", labelled("x".repeat(2000)), { "grpc-accept-encoding": "gzip" }, "0"],
    ["is refused", labelled("taken"), {}, "6"],
    ["has a bad field", labelled("field"), {}, "3"],
    ["finds the store away", labelled("lost"), {}, "14"],
    ["meets an unknown fault", labelled("broken"), {}, "13"],
    ["hangs", labelled("hang"), { "grpc-timeout": "40m" }, "4"],
    ["has no time at all", labelled("hang"), { "grpc-timeout": "0n" }, "4"],
    ["is longer than the limit", frame(Buffer.alloc(70_000)), {}, "8"],
    ["claims to be longer than the limit", frame(good, { length: 65_537 }), {}, "8"],
    ["has flags", frame(good, { flags: 1 }), {}, "3"],
    ["breaks off", frame(good, { length: good.length + 1 }), {}, "3"],
    ["breaks off in its head", frame(good).subarray(0, 4), {}, "3"],
    ["has no body", Buffer.alloc(0), {}, "3"],
    ["is two messages", Buffer.concat([frame(good), frame(good)]), {}, "3"],
    ["has bytes behind the message", Buffer.concat([frame(good), Buffer.of(0)]), {}, "3"],
    ["is garbage", frame(Buffer.from("ffffffff", "hex")), {}, "3"],
    ["has a timeout that can't be read", labelled("x"), { "grpc-timeout": "1" }, "3"],
  ])("where it %s", async (_what, body, headers, status) => {
    const server = await start({ call: behave });
    const session = openSession(server);
    const [lane, connect] = await Promise.all(
      ways.map((way) => send(session, body, { ":path": paths[way], ...headers })),
    );
    expect(essenceOf(lane as RawAnswer)).toEqual(essenceOf(connect as RawAnswer));
    expect(essenceOf(lane as RawAnswer)).toMatchObject({
      "grpc-status": status,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    });
    // The lane repeats the content type and needs no trailers for an error; that tells which way was taken.
    expect(lane?.headers["content-type"]).toBe("application/grpc");
    expect(connect?.headers["content-type"]).toBe("application/grpc+proto");
    expect("grpc-status" in (lane as RawAnswer).headers).toBe(status !== "0");
  });
});

describe.each(Object.keys(grpcClients))("%s", (name) => {
  describe.each(ways)("through the %s", (way) => {
    const dialServer = async (call: Call = behave) => {
      const server = await start({ call });
      const client = grpcClients[name]?.(server, way);
      if (!client) throw new Error("no such client");
      onTestFinished(() => client.close());
      return client;
    };

    it("gets the answer, the status, the details and the deadline, one call after the other", async () => {
      const client = await dialServer();
      expect(await client.create({ label: "hello ü" })).toMatchObject({ seen: { label: "hello ü", protocol: "grpc" } });
      expect(await client.create({ label: "taken" })).toEqual({
        code: 6,
        message: "the label is taken: 100 %, ü\n",
        details: ["LABEL_TAKEN"],
      });
      expect(await client.create({ label: "broken" })).toEqual({
        code: 13,
        message: "internal error",
        details: ["INTERNAL"],
      });
      expect(await client.create({ label: "x".repeat(70_000) })).toMatchObject({
        code: 8,
        details: ["MESSAGE_TOO_LARGE"],
      });
      expect(await client.create({ label: "hang", timeout: 60 })).toMatchObject({ code: 4 });
      expect(await client.create({ label: "still here" })).toMatchObject({ seen: { label: "still here" } });
    });

    it("has its metadata arrive byte for byte", async () => {
      const client = await dialServer();
      const metadata = [
        ["authorization", "Basic  b:c"],
        ["trace-bin", "AAH//g=="],
      ] as const;
      const outcome = await client.create({ label: "x", metadata });
      if (!("seen" in outcome)) throw new Error(outcome.message);
      expect(outcome.seen.authorization).toEqual(["Basic  b:c"]);
      expect(outcome.seen.binary.map((value) => Buffer.from(value, "base64").toString("hex"))).toEqual(["0001fffe"]);
    });
  });
});

it.each(ways)("hands over repeated metadata one by one through the %s", async (way) => {
  const server = await start();
  const session = openSession(server);
  const answer = await send(session, labelled("x"), { ":path": paths[way], "trace-bin": ["AAE", "//8="] });
  expect(answer.body.toString()).toContain('"binary":["AAE","//8="]');
});

describe.each(ways)("through the %s", (way) => {
  const open = (session: ReturnType<typeof openSession>, headers = {}) => {
    const stream = session.request({
      ":method": "POST",
      ":path": paths[way],
      "content-type": "application/grpc",
      ...headers,
    });
    return stream.on("error", () => undefined).resume();
  };
  const statusOf = (stream: ReturnType<typeof open>) =>
    new Promise<unknown>((resolve) => {
      const look = (fields: Record<string, unknown>) => "grpc-status" in fields && resolve(fields["grpc-status"]);
      stream.on("response", look).on("trailers", look);
    });

  it.each([
    ["its frame announces", {}, frame(Buffer.alloc(0), { length: 65_537 })],
    ["its headers announce", { "content-length": 65_542 }, Buffer.alloc(0)],
  ])("a message that %s as too long is refused before it comes", async (_what, headers, start_) => {
    const server = await start();
    const stream = open(openSession(server), headers);
    const status = statusOf(stream);
    if (start_.length > 0) stream.write(start_);
    expect(await status).toBe("8");
    await vi.waitFor(() => expect(stream.closed).toBe(true));
    expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
    await expectServing(server);
  });

  it("a message may come in pieces of one byte", async () => {
    const server = await start();
    const stream = open(openSession(server));
    const status = statusOf(stream);
    for (const byte of labelled("pieces")) {
      await new Promise((resolve) => stream.write(Buffer.of(byte), () => setImmediate(resolve)));
    }
    stream.end();
    expect(await status).toBe("0");
  });

  it.each([
    ["resets its stream", (stream: ReturnType<typeof open>) => stream.close(constants.NGHTTP2_CANCEL)],
    ["resets its stream as if all were well", (stream: ReturnType<typeof open>) => stream.close()],
    ["hangs up", (stream: ReturnType<typeof open>) => stream.session?.destroy()],
  ])("a call is cancelled whose caller %s", async (_what, leave) => {
    const watch = watchHanging();
    const server = await start({ call: watch.call });
    const stream = open(openSession(server));
    stream.end(labelled("hang"));
    await vi.waitFor(() => expect(watch.entered).toHaveBeenCalledOnce());
    leave(stream);
    await vi.waitFor(() => expect(watch.reasons).toMatchObject([{ reason: "CANCELLED" }]));
    await expectServing(server);
  });

  it("a deadline that the client does not send is the server's own, and one that is too long is cut", async () => {
    const server = await start({ call: behave, limits: { defaultTimeout: 40, maxTimeout: 40 } });
    const session = openSession(server);
    const answers = await Promise.all(
      [{}, { "grpc-timeout": "9H" }].map((headers) =>
        send(session, labelled("hang"), { ":path": paths[way], ...headers }),
      ),
    );
    for (const answer of answers) {
      expect(grpcStatusOf(answer)).toMatchObject({
        status: "4",
        details: expect.stringContaining("DEADLINE_EXCEEDED"),
      });
    }
  });

  it("an answer of a megabyte arrives whole, however slowly it is read", async () => {
    const secret = "s".repeat(1_000_000);
    const server = await start({ call: async () => create(CreateResponseSchema, { secret }) });
    const stream = open(openSession(server)).pause();
    stream.end(labelled("x"));
    let size = 0;
    for await (const chunk of stream) {
      size += chunk.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(size).toBe(5 + toBinary(CreateResponseSchema, create(CreateResponseSchema, { secret })).length);
  });

  it("half a request is told when the server goes down", async () => {
    const server = await start({ drainTimeout: 50 });
    const stream = open(openSession(server));
    const status = statusOf(stream);
    stream.write(labelled("x").subarray(0, 6));
    // The server has seen the half when it has answered the whole that follows it on the same connection.
    await send(stream.session as ReturnType<typeof openSession>, labelled("x"));
    await server.close();
    expect(await status).toBe("14");
  });
});

it("a call is cancelled whose caller hangs up, over TLS too", async () => {
  const authority = createAuthority();
  const watch = watchHanging();
  const server = await start({ call: watch.call, tls: authority.issueServer() });
  const session = openSession(server, { ca: authority.cert });
  void send(session, labelled("hang"));
  await vi.waitFor(() => expect(watch.entered).toHaveBeenCalledOnce());
  session.destroy();
  await vi.waitFor(() => expect(watch.reasons).toMatchObject([{ reason: "CANCELLED" }]));
});

describe("the lane", () => {
  it.each([
    [constants.NGHTTP2_NO_ERROR, "one packet"],
    [constants.NGHTTP2_INTERNAL_ERROR, "one packet"],
    [constants.NGHTTP2_CANCEL, "one packet"],
    [constants.NGHTTP2_NO_ERROR, "two packets"],
    [constants.NGHTTP2_CANCEL, "two packets"],
  ])("does not run a call whose caller leaves with code %i when the message is whole, in %s", async (code, packets) => {
    const call = vi.fn(createEcho());
    const server = await start({ call });
    const { socket, received } = await dial(server);
    const message = Buffer.concat([opening(), ...request(1, labelled("left"), { end: false })]);
    if (packets === "two packets") {
      socket.write(message);
      // Whoever is served on the same loop now is served after the message was read.
      await expectServing(server);
      call.mockClear();
      socket.write(reset(1, code));
    } else {
      socket.write(Buffer.concat([message, reset(1, code)]));
    }
    socket.write(Buffer.concat(request(3, labelled("stayed"))));
    await vi.waitFor(() => expect(received()).toContain("stayed"));
    expect(call).toHaveBeenCalledOnce();
    await expectServing(server);
  });

  it("does not keep an answer beyond the deadline for a client that never fetches it", async () => {
    const server = await start({ limits: { defaultTimeout: 60 } });
    const session = openSession(server, { settings: { initialWindowSize: 0 } });
    const answer = await send(session, labelled("x"));
    expect(answer).toMatchObject({ resetCode: constants.NGHTTP2_CANCEL, headers: { ":status": 200 } });
    expect(answer.body).toHaveLength(0);
    await expectServing(server);
  });

  it("keeps the answer of a client that is slow to take it as it was, and shows nothing of others'", async () => {
    const server = await start();
    const slow = await dialPeer(server.address.port, { values: { [INITIAL_WINDOW]: 7 } });
    slow.send(...request(1, labelled("a".repeat(40))));
    await slow.settle();
    expect((await send(openSession(server), labelled("b".repeat(40)))).body.toString()).toContain("b".repeat(40));
    slow.send(widen(1, 1000));
    const { body } = await slow.answer(1);
    expect(body.toString()).toContain("a".repeat(40));
    expect(body.toString()).not.toContain("bb");
  });

  it.each([
    ["another codec", { "content-type": "application/grpc+json" }],
    ["another spelling of the content type", { "content-type": "application/grpc+PROTO" }],
    ["a compression", { "grpc-encoding": "gzip" }],
    ["another method", { ":method": "PUT" }],
    ["another path", { ":path": "/latchkey.v1.TokenService/Nope" }],
    ["another service", { ":path": "/grpc.health.v1.Health/Check" }],
  ])("leaves what it is not for to the common way: %s", async (_what, headers) => {
    const server = await start();
    const answer = await send(openSession(server), labelled("x"), headers);
    // Only the lane repeats the plain content type with the status of an answered call.
    expect([answer.headers["content-type"], answer.trailers["grpc-status"]]).not.toEqual(["application/grpc", "0"]);
    expect(answer.headers[":status"]).toBeDefined();
  });
});
