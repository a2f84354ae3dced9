import { once } from "node:events";
import { createServer as createHttp1, type IncomingMessage } from "node:http";
import { createServer as createHttp2, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer, type Server } from "node:net";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, onTestFinished, test } from "vitest";
import { IntrospectRequestSchema, IntrospectResponseSchema } from "#gen/latchkey/v1/token_service_pb.ts";
import { introspectOverGrpc } from "../../../bench/candidates/table.ts";
import type { Job, Pace, Target } from "../../../bench/load/job.ts";
import { runJob } from "../../../bench/load/run-job.ts";
import { KEYS, keyFile } from "./key-file.ts";

const CLOSED: Pace = { type: "closed" };

function job(target: Target, pace: Pace = CLOSED): Job {
  return { target, pace, warmUp: 0.05, seconds: 0.3, watch: [process.pid] };
}

async function listen(server: Server): Promise<string> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The right answer to a secret, framed. */
function rightAnswer(body: Buffer): Buffer {
  const { secret } = fromBinary(IntrospectRequestSchema, body.subarray(5));
  const { proof, isGood } = KEYS.find(({ key }) => key === secret) ?? { proof: "", isGood: false };
  const verdict = isGood ? { active: true, token: { id: proof } } : { active: false };
  const message = toBinary(IntrospectResponseSchema, create(IntrospectResponseSchema, verdict));
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  return Buffer.concat([frame, message]);
}

/** A gRPC server that answers as it is told, and notes who leaves. */
async function serveGrpc(
  answer: (stream: ServerHttp2Stream, body: Buffer) => void,
  left = { count: 0 },
): Promise<string> {
  const server = createHttp2();
  server.on("stream", (stream) => {
    const chunks: Buffer[] = [];
    stream.on("error", () => {});
    stream.on("aborted", () => left.count++);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      if (!stream.aborted) answer(stream, Buffer.concat(chunks));
    });
  });
  return listen(server);
}

function send(stream: ServerHttp2Stream, message: Buffer, status = "0", http = 200): void {
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": status, "grpc-message": "why" }));
  stream.respond({ ":status": http, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.end(message);
}

test("counts right answers, reads the clocks, and leaves in the middle of a request on every connection", async () => {
  const left = { count: 0 };
  const url = await serveGrpc((stream, body) => send(stream, rightAnswer(body)), left);
  const report = await runJob(job(introspectOverGrpc(url, keyFile(), "x")));
  expect(report).toMatchObject({ faults: 0, examples: [] });
  expect(report.calls).toBeGreaterThan(0);
  expect(report.cpu[0]).toBeGreaterThan(0);
  expect(report.latency.p99).toBeGreaterThanOrEqual(report.latency.p50);
  await expect.poll(() => left.count).toBeGreaterThanOrEqual(8);
  expect(report.abandoned).toBeGreaterThan(8);
});

test("keeps a rate, and counts what is due however late the answer comes", async () => {
  const url = await serveGrpc((stream, body) => setTimeout(send, 100, stream, rightAnswer(body)));
  const report = await runJob(job(introspectOverGrpc(url, keyFile(), "x"), { type: "open", rate: 1000 }));
  // 300 on average, 17 more or less.
  expect(report.calls).toBeGreaterThan(200);
  expect(report.calls).toBeLessThan(400);
  expect(report.latency.p50).toBeGreaterThan(90_000);
});

test.each<[string, (stream: ServerHttp2Stream, body: Buffer) => void, string]>([
  ["an error of gRPC", (stream, body) => send(stream, rightAnswer(body), "14"), "grpc-status 14: why"],
  ["no status of gRPC", (stream, body) => stream.respond() ?? stream.end(rightAnswer(body)), "grpc-status undefined: "],
  ["an error of HTTP", (stream) => send(stream, Buffer.from("busy"), "0", 503), "HTTP status 503: busy"],
  ["a stream that is reset", (stream) => stream.close(8), "the server reset the stream (8)"],
  ["a connection that is ended", (stream) => stream.session?.destroy(), "the server sent GOAWAY (0)"],
  [
    "another length than the frame says",
    (stream, body) => send(stream, rightAnswer(body).subarray(0, -1)),
    "not one plain frame",
  ],
  ["always yes", (stream) => send(stream, Buffer.from("00000000020801", "hex")), "token"],
])("finds %s", async (_, answer, fault) => {
  const url = await serveGrpc(answer);
  const report = await runJob(job(introspectOverGrpc(url, keyFile(), "x")));
  expect(report.faults).toBeGreaterThan(0);
  expect(report.examples[0]).toContain(fault);
});

test("finds a connection that is closed", async () => {
  const url = await listen(createServer((socket) => socket.once("data", () => socket.destroy())));
  const report = await runJob(job(introspectOverGrpc(url, keyFile(), "x")));
  expect(report.examples[0]).toBe("the server closed the connection");
});

async function collect(request: IncomingMessage, chunks: Buffer[]): Promise<boolean> {
  for await (const chunk of request) chunks.push(chunk);
  return true;
}

test("speaks HTTP/1.1, and finds what is wrong there", async () => {
  const server = createHttp1(async (request: IncomingMessage, response) => {
    const chunks: Buffer[] = [];
    // A client leaves in the middle.
    const isWhole = await collect(request, chunks).catch(() => false);
    if (!isWhole) return;
    const { key } = JSON.parse(Buffer.concat(chunks).toString());
    const { proof, isGood } = KEYS.find((known) => known.key === key) ?? { proof: "", isGood: false };
    response.end(JSON.stringify({ valid: request.url === "/yes" || isGood, proof }));
  });
  const url = await listen(server);
  const target: Target = {
    url,
    protocol: "http1",
    path: "/",
    headers: { "content-type": "application/json" },
    connections: 4,
    depth: 1,
    before: btoa('{"key":"'),
    after: btoa('"}'),
    keysPerCall: 1,
    keys: keyFile(),
    expect: { type: "json", field: "valid" },
  };
  expect(await runJob(job(target))).toMatchObject({ faults: 0, abandoned: 8 });
  const wrong = await runJob(job({ ...target, path: "/yes" }));
  expect(wrong.examples[0]).toBe("a bad token is said to be active");
});
