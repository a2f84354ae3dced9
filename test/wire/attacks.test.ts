import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:http2";
import type { Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { BatchIntrospectRequestSchema, CreateRequestSchema } from "#gen/latchkey/v1/token_service_pb.ts";
import { createEcho, dial, expectServing, start } from "./fixtures.ts";
import { CREATE, frame, grpcStatusOf, openSession, send } from "./raw.ts";

const good = toBinary(CreateRequestSchema, create(CreateRequestSchema, { label: "x" }));
const INVALID = { status: "3", reason: "INVALID_REQUEST" };
const TOO_LARGE = { status: "8", reason: "MESSAGE_TOO_LARGE" };

/** CreateRequest.claims › Struct.fields › value, and then lists in lists. */
function nestLists(depth: number): Buffer {
  let value: Buffer = Buffer.alloc(0);
  for (let i = 0; i < depth; i++) value = field(6, field(1, value));
  return field(10, field(1, field(2, value)));
}

function field(number: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(content.length), content]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    bytes.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) return Buffer.from(bytes);
  }
}

describe("a gRPC request that can't be read is refused with code and reason, and costs nobody else anything", () => {
  it.each([
    ["a frame longer than the limit", frame(Buffer.alloc(70_000)), TOO_LARGE],
    ["a frame that only claims to be long", frame(good, { length: 0xffffffff }), TOO_LARGE],
    ["a compressed frame without a compression", frame(gzipSync(good), { flags: 1 }), INVALID],
    ["flags that do not exist", frame(good, { flags: 0x42 }), INVALID],
    ["a truncated frame", frame(good, { length: good.length + 1 }), INVALID],
    ["a truncated frame head", frame(good).subarray(0, 3), INVALID],
    ["no frame at all", Buffer.alloc(0), INVALID],
    ["a second message", Buffer.concat([frame(good), frame(good)]), INVALID],
    ["bytes after the message", Buffer.concat([frame(good), Buffer.from("x")]), INVALID],
    ["garbage for a message", frame(Buffer.from("ffffffffffffffffffff", "hex")), INVALID],
    ["a message nested 3,000 deep", frame(nestLists(3000)), INVALID],
  ])("%s", async (_what, body, { status, reason }) => {
    const server = await start();
    const answer = await send(openSession(server), body);
    expect(grpcStatusOf(answer)).toMatchObject({ status, details: expect.stringContaining(reason) });
    await expectServing(server);
  });

  it.each(["1", "-1S", "1x", "123456789S", "1S, 2S"])("a timeout of %s", async (timeout) => {
    const server = await start();
    const answer = await send(openSession(server), frame(good), { "grpc-timeout": timeout });
    expect(grpcStatusOf(answer)).toMatchObject({ status: "3", details: expect.stringContaining("INVALID_REQUEST") });
  });

  it("JSON over gRPC that is not JSON", async () => {
    const server = await start();
    const headers = { "content-type": "application/grpc+json" };
    const answer = await send(openSession(server), frame(Buffer.from("{")), headers);
    expect(grpcStatusOf(answer)).toMatchObject({ status: "3", details: expect.stringContaining("INVALID_REQUEST") });
  });
});

it("refuses a compressed bomb without unpacking it: requests are never compressed", async () => {
  const server = await start();
  const session = openSession(server);
  const bomb = frame(gzipSync(Buffer.alloc(50_000_000)), { flags: 1 });
  expect(grpcStatusOf(await send(session, bomb, { "grpc-encoding": "gzip" }))).toMatchObject({
    status: "12",
    details: expect.stringContaining("COMPRESSION_UNSUPPORTED"),
  });

  const json = await send(session, gzipSync("{}"), { "content-type": "application/json", "content-encoding": "gzip" });
  expect(json.headers[":status"]).toBe(501);
  expect(JSON.parse(json.body.toString())).toMatchObject({
    code: "unimplemented",
    details: [{ debug: { reason: "COMPRESSION_UNSUPPORTED" } }],
  });
  await expectServing(server);
});

describe("a Connect request that can't be read is refused with code and reason", () => {
  const post = async (body: string | Buffer, contentType = "application/json", path = CREATE) => {
    const server = await start();
    const headers = { "content-type": contentType };
    const response = await fetch(server.url + path, {
      method: "POST",
      headers,
      body: new Uint8Array(Buffer.from(body)),
    });
    const text = await response.text();
    await expectServing(server);
    return { status: response.status, text };
  };

  it.each([
    ["no JSON", "lk_pat_canary"],
    ["JSON that breaks off", '{"label":"lk_pat_canary'],
    ["JSON of another shape", "[]"],
    ["invalid UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ["JSON nested 20,000 deep", `{"claims":${'{"a":'.repeat(9_000)}1${"}".repeat(9_000)}}`],
  ])("%s", async (_what, body) => {
    const { status, text } = await post(body);
    expect(status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({
      code: "invalid_argument",
      details: [{ debug: { reason: "INVALID_REQUEST" } }],
    });
    expect(text).not.toContain("canary");
  });

  it("a value of the wrong type: names the field and keeps the value to itself", async () => {
    const { status, text } = await post('{"label":{"x":"lk_pat_canary"}}');
    expect(status).toBe(400);
    expect(JSON.parse(text).message).toBe("label: the value can't be read");
    expect(text).not.toContain("canary");
  });

  it("garbage for a binary message", async () => {
    const { status, text } = await post(Buffer.from("ffffffffff", "hex"), "application/proto");
    expect(status).toBe(400);
    expect(text).toContain("INVALID_REQUEST");
  });

  it("a message beyond the limit", async () => {
    const { status, text } = await post(JSON.stringify({ label: "x".repeat(70_000) }));
    expect(status).toBe(429);
    expect(text).toContain("MESSAGE_TOO_LARGE");
  });

  it.each([
    ["Create", '{"ttl":"30d"}', 'a duration is seconds, such as "3600s"'],
    ["Create", '{"expireTime":"tomorrow"}', 'a time is RFC 3339, such as "2030-01-31T12:00:00Z"'],
    ["Create", '{"claims":[]}', "claims are an object"],
    ["Create", '{"scope":["a"]}', "scope: there is no such field"],
    ["Update", '{"updateMask":"expire_time"}', 'a mask is names in lowerCamelCase, such as "label,expireTime"'],
    ["DeleteAll", '{"status":"EXPIRED"}', 'a status is its full name, such as "TOKEN_STATUS_EXPIRED"'],
    ["DeleteAll", '{"kind":["link"]}', "kind: there is no such field"],
    ["List", "[1]", "the message is not the JSON of a latchkey.v1.ListRequest"],
  ])("the usual mistakes, with a word that helps: %s %s", async (method, body, message) => {
    const { status, text } = await post(body, "application/json", `/latchkey.v1.TokenService/${method}`);
    expect([status, JSON.parse(text).message]).toEqual([400, message]);
    expect(text).toContain("INVALID_REQUEST");
  });

  it.each(["text/plain", "application/xml", "application/grpc+thrift", ""])("the content type '%s'", async (type) => {
    expect(await post("{}", type)).toEqual({
      status: 415,
      text: expect.stringContaining("set the header content-type to application/json"),
    });
  });
});

it("takes a batch of 100 secrets of the longest kind", async () => {
  const server = await start();
  const requests = Array.from({ length: 100 }, () => ({ secret: "x".repeat(8192) }));
  const batch = toBinary(BatchIntrospectRequestSchema, create(BatchIntrospectRequestSchema, { requests }));
  const headers = { ":path": "/latchkey.v1.TokenService/BatchIntrospect" };
  const session = openSession(server);
  const answers = await Promise.all(Array.from({ length: 8 }, () => send(session, frame(batch), headers)));
  expect(answers.map((answer) => grpcStatusOf(answer).status)).toEqual(Array(8).fill("0"));
});

describe("a path that is none", () => {
  it.each([
    ["application/grpc", { ":status": 200, "grpc-status": "12", "content-type": "application/grpc" }],
    ["application/grpc-web+proto", { ":status": 200, "grpc-status": "12", "content-type": "application/grpc-web" }],
    ["application/json", { ":status": 404, "content-type": "application/json" }],
  ])("is refused in the caller's protocol: %s", async (contentType, expected) => {
    const server = await start();
    const headers = { ":path": "/latchkey.v1.TokenService/Nope", "content-type": contentType };
    const answer = await send(openSession(server), Buffer.alloc(0), headers);
    expect(answer.headers).toMatchObject(expected);
    if (expected[":status"] === 404)
      expect(JSON.parse(answer.body.toString())).toMatchObject({ code: "unimplemented" });
    else expect(grpcStatusOf(answer).details).toContain("METHOD_UNKNOWN");
  });

  it.each(["latchkey.v1.TokenService/Create", "*", "?", "http://x/healthz"])(
    "is no path to HTTP/2: %s",
    async (path) => {
      const server = await start();
      const answer = await send(openSession(server), frame(good), { ":path": path });
      expect(answer).toMatchObject({ headers: {}, resetCode: constants.NGHTTP2_PROTOCOL_ERROR });
      await expectServing(server);
    },
  );

  it.each(["/", "//", "/%", "/latchkey.v1.TokenService/Create/", "/latchkey.v1.TokenService/create"])(
    "hurts nobody: %s",
    async (path) => {
      const server = await start();
      const answer = await send(openSession(server), frame(good), { ":path": path });
      expect(answer.headers["grpc-status"]).toBe("12");
      await expectServing(server);
    },
  );

  it.each([
    ["POST nope HTTP/1.1\r\nHost: x\r\n", "400 Bad Request"],
    ["POST /nope HTTP/1.1\r\nHost: x\r\n", "404 Not Found"],
    ["OPTIONS * HTTP/1.1\r\nHost: x\r\n", "404 Not Found"],
    ["GET http://x/healthz HTTP/1.1\r\nHost: x\r\n", "200 OK"],
    ["GET /healthz HTTP/1.0\r\n", "200 OK"],
    [`POST ${CREATE} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`, "200 OK"],
    [
      `POST ${CREATE} HTTP/1.1\r\nHost: [::::\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
      "200 OK",
    ],
    ["GET / HTTP/1.1\r\n", "400 Bad Request"],
  ])("in HTTP/1.1: %j", async (request, expected) => {
    const server = await start();
    const { socket, received } = await dial(server);
    socket.write(request.includes("\r\n\r\n") ? request : `${request}\r\n`);
    await vi.waitFor(() => expect(received()).toContain(`HTTP/1.1 ${expected}`));
    await expectServing(server);
  });
});

describe("HTTP/1.1 that two readers could read in two ways is refused, and its connection closed", () => {
  const head = `POST ${CREATE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
  it.each([
    [
      "Content-Length and Transfer-Encoding",
      `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET`,
    ],
    ["two Content-Lengths", `${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`],
    ["a Content-Length with a sign", `${head}Content-Length: +2\r\n\r\n{}`],
    ["an unknown transfer encoding", `${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
    ["a folded header", `${head}X-A: 1\r\n b: 2\r\nContent-Length: 2\r\n\r\n{}`],
    ["space before the colon", `${head}Content-Length : 2\r\n\r\n{}`],
    ["a bare line feed", `POST ${CREATE} HTTP/1.1\nHost: x\n\n`],
    ["an HTTP/2 preface that turns out to be none", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"],
    ["headers beyond the limit", `${head}X-A: ${"x".repeat(20_000)}\r\n\r\n`],
  ])("%s", async (_what, request) => {
    const server = await start();
    const { socket, received, closed } = await dial(server);
    socket.write(request);
    await closed;
    expect(received()).toMatch(/^HTTP\/1\.1 4(?:00|31) /);
    expect(received().match(/HTTP\/1\.1/g)).toHaveLength(1);
    await expectServing(server);
  });
});

it("closes a connection that resets streams rapidly", async () => {
  const server = await start();
  const session = openSession(server);
  const goneAway = new Promise<number>((resolve) => session.once("goaway", resolve));
  const closed = new Promise<void>((resolve) => session.once("close", () => resolve()));
  let sent = 0;
  const reset = () => {
    for (let i = 0; i < 20 && !session.closed && !session.destroyed; i++, sent++) {
      const stream = session.request({ ":method": "POST", ":path": CREATE, "content-type": "application/grpc" });
      stream.on("error", () => undefined);
      stream.close(constants.NGHTTP2_CANCEL);
    }
    if (!session.closed && !session.destroyed && sent < 5000) setImmediate(reset);
  };
  reset();
  await Promise.race([goneAway, closed]);
  expect(sent).toBeLessThan(1000);
  await expectServing(server);
});

it("takes no more calls at once on one connection than it says", async () => {
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  let running = 0;
  const call = createEcho(() => {
    running++;
    return held;
  });
  const server = await start({ call, limits: { maxConcurrentStreams: 5 } });
  const session = openSession(server);
  await new Promise((resolve) => session.once("remoteSettings", resolve));
  const answers = Array.from({ length: 9 }, () => send(session, frame(good)));
  await vi.waitFor(() => expect(running).toBe(5));
  release();
  expect((await Promise.all(answers)).map((answer) => grpcStatusOf(answer).status)).toEqual(Array(9).fill("0"));
});

it("serves on beside 10,000 idle connections", async () => {
  const server = await start({ limits: { headersTimeout: 30_000 } });
  // In a process of their own: each end of a connection is a file, and no process may have twice as many.
  const crowd = spawn(process.execPath, ["-e", CROWD, String(server.address.port), "10000"]);
  onTestFinished(() => void crowd.kill("SIGKILL"));
  await once(crowd.stdout, "data");
  await expectServing(server);
  expect(crowd.exitCode).toBeNull();
});

/** Opens connections, a hundred at a time, and says so when all are open. */
const CROWD = `
  const [port, count] = process.argv.slice(1).map(Number);
  const open = () => new Promise((resolve, reject) => {
    const socket = require("node:net").connect(port, "127.0.0.1", resolve);
    socket.on("error", reject).on("close", () => process.exit(1));
  });
  (async () => {
    for (let n = 0; n < count; n += 100) await Promise.all(Array.from({ length: 100 }, open));
    console.log("open");
  })();
`;

it("hangs up on idle connections", async () => {
  const server = await start({ limits: { headersTimeout: 1500 } });
  const idle = await Promise.all(Array.from({ length: 1000 }, () => dial(server)));
  await Promise.all(idle.map(({ closed }) => closed));
  await expectServing(server);
});

it("refuses connections beyond the most that it takes, and takes new ones when others go", async () => {
  const server = await start({ limits: { maxConnections: 3 } });
  const held = await Promise.all([dial(server), dial(server), dial(server)]);
  await (await dial(server)).closed;
  for (const { socket } of held) socket.destroy();
  await vi.waitFor(() => expectServing(server));
});

describe("whoever sends slowly is not waited for", () => {
  it.each([
    ["half a preface", "PRI * HTT"],
    ["half a header", `POST ${CREATE} HTTP/1.1\r\nHost: x\r\nX-`],
  ])("%s", async (_what, bytes) => {
    const server = await start({ limits: { headersTimeout: 60 } });
    const { socket, closed } = await dial(server);
    socket.write(bytes);
    await closed;
    await expectServing(server);
  });

  it("half a body over HTTP/1.1: answered at the deadline", async () => {
    const server = await start({ limits: { defaultTimeout: 60 } });
    const { socket, received } = await dial(server);
    socket.write(`POST ${CREATE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{`);
    await vi.waitFor(() => expect(received()).toContain("DEADLINE_EXCEEDED"));
    expect(received()).toMatch(/^HTTP\/1\.1 504/);
  });

  it("a body over HTTP/2 that goes on and on: refused as soon as it is too long", async () => {
    const server = await start();
    const session = openSession(server);
    const stream = session.request({ ":method": "POST", ":path": CREATE, "content-type": "application/grpc" });
    stream.on("error", () => undefined).resume();
    const answered = new Promise<Record<string, unknown>>((resolve) => stream.once("response", resolve));
    stream.write(Buffer.alloc(70_000));
    expect(await answered).toMatchObject({ "grpc-status": "8" });
    await expectServing(server);
  });

  it("a body over HTTP/1.1 that goes on and on: cut", async () => {
    const server = await start({ limits: { defaultTimeout: 30, requestTimeout: 60, headersTimeout: 50 } });
    const { socket, closed } = await dial(server);
    socket.write(
      `POST ${CREATE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{`,
    );
    await closed;
    await expectServing(server);
  });

  it("half a body over HTTP/2: answered at the deadline, and its stream closed", async () => {
    const server = await start({ limits: { defaultTimeout: 60 } });
    const session = openSession(server);
    const stream = session.request({ ":method": "POST", ":path": CREATE, "content-type": "application/grpc" });
    stream.write(frame(good).subarray(0, 6));
    const trailers = await new Promise<Record<string, unknown>>((resolve) => {
      stream.once("trailers", resolve);
      stream.once("response", (headers) => "grpc-status" in headers && resolve(headers));
      stream.resume();
    });
    expect(trailers["grpc-status"]).toBe("4");
    await new Promise<void>((resolve) => stream.once("close", () => resolve()));
    expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
  });

  it("an HTTP/2 connection without traffic: closed", async () => {
    const server = await start({ limits: { idleTimeout: 60 } });
    const session = openSession(server);
    await new Promise<void>((resolve) => session.once("close", () => resolve()));
  });
});

it("knows both protocols by their first bytes, even if these come one by one", async () => {
  const server = await start();
  const http1 = await dial(server);
  for (const byte of "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") await writeApart(http1.socket, byte);
  await vi.waitFor(() => expect(http1.received()).toContain('{"status":"alive"}'));

  const http2 = await dial(server);
  for (const byte of "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") await writeApart(http2.socket, byte);
  for (const byte of "\0\0\0\x04\0\0\0\0\0") await writeApart(http2.socket, byte);
  // The server's own SETTINGS, and its acknowledgement of ours.
  await vi.waitFor(() => expect(http2.received()).toContain("\0\0\0\x04\x01\0\0\0\0"));
});

/** One byte, one packet. */
async function writeApart(socket: Socket, byte: string): Promise<void> {
  socket.setNoDelay(true);
  await new Promise<void>((resolve) => socket.write(byte, "latin1", () => setImmediate(resolve)));
}
