import http from "node:http";
import http2 from "node:http2";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { CreateRequestSchema, CreateResponseSchema, TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { raceAbort } from "../../src/call/race-abort.ts";
import { TokenError } from "../../src/errors.ts";
import type { RunningServer } from "../../src/wire/server.ts";
import { createAuthority } from "../support/tls.ts";
import { createEcho, describeError, echo, failureOf, start } from "./fixtures.ts";

const authority = createAuthority();
const tls = authority.issueServer();
const nodeOptions = { ca: authority.cert };

const ways: { name: string; protocol: string; tls: boolean; dial: (baseUrl: string) => Transport }[] = [
  {
    name: "Connect JSON over HTTP/1.1",
    protocol: "connect",
    tls: false,
    dial: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
  },
  {
    name: "Connect binary over HTTP/2",
    protocol: "connect",
    tls: false,
    dial: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true }),
  },
  {
    name: "Connect JSON over HTTP/1.1 and TLS",
    protocol: "connect",
    tls: true,
    dial: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false, nodeOptions }),
  },
  { name: "gRPC over h2c", protocol: "grpc", tls: false, dial: (baseUrl) => createGrpcTransport({ baseUrl }) },
  {
    name: "gRPC over TLS",
    protocol: "grpc",
    tls: true,
    dial: (baseUrl) => createGrpcTransport({ baseUrl, nodeOptions }),
  },
  {
    name: "gRPC-Web over HTTP/1.1",
    protocol: "grpc-web",
    tls: false,
    dial: (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  },
  {
    name: "gRPC-Web over HTTP/2",
    protocol: "grpc-web",
    tls: false,
    dial: (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
  },
];

const fail = createEcho((label) => {
  if (label === "taken") throw new TokenError("LABEL_TAKEN", "the label is taken: 100 %, ü");
  if (label === "field") {
    throw new TokenError("LIFETIME_INVALID", "ttl: no", { violations: [{ field: "ttl", description: "no" }] });
  }
  if (label === "lost") throw new TokenError("STORE_UNAVAILABLE", "the store is away", { retryDelay: 3000 });
  if (label === "broken") throw new TypeError("canary lk_pat_secret", { cause: "canary" });
});

describe.each(ways)("$name", ({ protocol, dial, ...way }) => {
  const serve = (call = createEcho()): Promise<RunningServer> => start({ call, ...(way.tls ? { tls } : {}) });

  it("reaches the pipeline with the method, the message and the peer", async () => {
    const server = await serve();
    const seen = await echo(dial(server.url), "hello ü");
    expect(seen).toMatchObject({ method: "Create", label: "hello ü", protocol, address: "127.0.0.1" });
    expect(seen).not.toHaveProperty("certificate");
  });

  it("serves every method of the TokenService", async () => {
    const server = await serve();
    const client = createClient(TokenService, dial(server.url));
    for (const { localName } of TokenService.methods) {
      await expect(client[localName as keyof typeof client]({}), localName).resolves.toBeDefined();
    }
  });

  it.each([
    ["taken", { code: "AlreadyExists", message: "the label is taken: 100 %, ü", reasons: ["latchkey/LABEL_TAKEN"] }],
    ["field", { code: "InvalidArgument", reasons: ["latchkey/LIFETIME_INVALID"], fields: ["ttl"] }],
    ["lost", { code: "Unavailable", reasons: ["latchkey/STORE_UNAVAILABLE"], retry: [3] }],
    ["broken", { code: "Internal", message: "internal error", reasons: ["latchkey/INTERNAL"], fields: [], retry: [] }],
  ])("answers the error of a call that is %s with code and details", async (label, expected) => {
    const server = await serve(fail);
    const error = await failureOf(echo(dial(server.url), label));
    expect(describeError(error)).toMatchObject(expected);
    expect(JSON.stringify([error.rawMessage, [...error.metadata], error.details])).not.toContain("canary");
  });

  it("ends a call at the client's deadline even if the pipeline hangs", async () => {
    const server = await serve(createEcho(() => new Promise(() => undefined)));
    const client = createClient(TokenService, dial(server.url));
    const error = await failureOf(client.create({}, { timeoutMs: 60 }));
    expect(describeError(error).code).toBe("DeadlineExceeded");
  });
});

it("ends a call after its own deadline where the client sends none", async () => {
  const hang = createEcho((_label, { signal }) => raceAbort(new Promise<never>(() => undefined), signal));
  const server = await start({ call: hang, limits: { defaultTimeout: 40 } });
  const error = await failureOf(echo(createGrpcTransport({ baseUrl: server.url })));
  expect(describeError(error)).toMatchObject({ code: "DeadlineExceeded", reasons: ["latchkey/DEADLINE_EXCEEDED"] });
});

it("cuts a deadline that is too long instead of refusing it", async () => {
  const hang = createEcho((_label, { signal }) => raceAbort(new Promise<never>(() => undefined), signal));
  const server = await start({ call: hang, limits: { maxTimeout: 40 } });
  const client = createClient(TokenService, createGrpcTransport({ baseUrl: server.url }));
  const error = await failureOf(client.create({}, { timeoutMs: 3_600_000 }));
  expect(describeError(error).reasons).toEqual(["latchkey/DEADLINE_EXCEEDED"]);
});

it("aborts the signal of a call whose caller leaves", async () => {
  const { promise: left, resolve } = Promise.withResolvers<unknown>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const call = createEcho((_label, { signal }) => {
    signal.addEventListener("abort", () => resolve(signal.reason));
    begin();
    return left;
  });
  const server = await start({ call });
  const caller = new AbortController();
  const client = createClient(TokenService, createGrpcTransport({ baseUrl: server.url }));
  const answer = client.create({}, { signal: caller.signal });
  await begun;
  caller.abort();
  await failureOf(answer);
  expect(await left).toMatchObject({ reason: "CANCELLED" });
});

it("serves the independent client grpc-js, and tells it status and details", async () => {
  const server = await start({ call: fail });
  const client = new Client(server.url.replace("http://", ""), credentials.createInsecure());
  const create = (label: string) =>
    new Promise<string>((resolve, reject) => {
      client.makeUnaryRequest(
        "/latchkey.v1.TokenService/Create",
        (request: { label: string }) => Buffer.from(toBinary(CreateRequestSchema, { ...empty, ...request })),
        (bytes) => fromBinary(CreateResponseSchema, bytes),
        { label },
        new Metadata(),
        (error, response) => (error ? reject(error) : resolve(response?.secret ?? "")),
      );
    });
  const empty = fromBinary(CreateRequestSchema, new Uint8Array());
  expect(JSON.parse(await create("x"))).toMatchObject({ label: "x", protocol: "grpc" });
  const error: ServiceError = await create("taken").catch((reason) => reason);
  expect(error.code).toBe(status.ALREADY_EXISTS);
  expect(error.details).toBe("the label is taken: 100 %, ü");
  expect(String(error.metadata.get("grpc-status-details-bin"))).toContain("LABEL_TAKEN");
  client.close();
});

it("hands over repeated headers one by one and verbatim, over HTTP/1.1 and HTTP/2", async () => {
  const server = await start();
  const url = `${server.url}/latchkey.v1.TokenService/Create`;
  const expected = { authorization: ["Bearer a", "Basic  b:c"], binary: ["AAE", "//8="] };

  const raw = ["Host", "x", "Content-Type", "application/json", "Authorization", "Bearer a"];
  raw.push("authorization", "Basic  b:c", "trace-bin", "AAE", "Trace-Bin", "//8=", "Content-Length", "2");
  const body = await new Promise<string>((resolve) => {
    const request = http.request(url, { method: "POST", headers: raw }, async (response) => {
      resolve((await response.toArray()).join(""));
    });
    request.end("{}");
  });
  expect(JSON.parse(JSON.parse(body).secret)).toMatchObject(expected);

  // The second option is there for TypeScript, which does not know the first.
  const lenient = { strictSingleValueFields: false, maxSessionMemory: 10 };
  const session = http2.connect(server.url, lenient);
  const stream = session.request(
    [":method", "POST", ":path", "/latchkey.v1.TokenService/Create", ":scheme", "http", ":authority", "x"].concat(
      ["content-type", "application/json", "authorization", "Bearer a", "authorization", "Basic  b:c"],
      ["trace-bin", "AAE", "trace-bin", "//8="],
    ),
  );
  stream.end("{}");
  const answer = (await stream.toArray()).join("");
  session.close();
  expect(JSON.parse(JSON.parse(answer).secret)).toMatchObject(expected);
});

it("lets nobody keep an answer or guess at its type", async () => {
  const server = await start();
  const response = await fetch(`${server.url}/latchkey.v1.TokenService/Create`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  expect(response.status).toBe(200);
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
});
