import { connect as connectTcp, type Socket } from "node:net";
import { create, type Message } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import pino from "pino";
import { expect, onTestFinished } from "vitest";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { type CreateRequest, CreateResponseSchema, TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import type { Call, CallRequest } from "../../src/call/call.ts";
import { type RunningServer, type ServerOptions, startServer } from "../../src/wire/server.ts";

/** What the echo saw of a request; it comes back as the `secret` of Create. */
export interface Seen {
  readonly method: string;
  readonly label: string;
  readonly protocol: string;
  readonly address: string;
  readonly certificate: string | undefined;
  readonly authorization: readonly string[];
  readonly binary: readonly string[];
}

/** Answers what it saw; `behave` may throw or wait instead, going by the label of a Create. */
export function createEcho(behave: (label: string, request: CallRequest) => unknown = () => undefined): Call {
  return async (request): Promise<Message> => {
    const { method, message, metadata, peer } = request;
    const label = method.name === "Create" ? (message as CreateRequest).label : "";
    await behave(label, request);
    const seen: Seen = {
      method: method.name,
      label,
      protocol: peer.protocol,
      address: peer.address,
      certificate: peer.certificate?.subject.CN?.toString(),
      authorization: metadata.values("authorization"),
      binary: metadata.values("trace-bin"),
    };
    if (method.name !== "Create") return create(method.output);
    return create(CreateResponseSchema, { secret: JSON.stringify(seen) });
  };
}

/** For a server on a free port that is ready, says nothing and waits for nobody. */
export function serverOptions(call: Call): ServerOptions {
  return {
    listen: { host: "127.0.0.1", port: 0 },
    corsOrigins: [],
    call,
    isReady: async () => true,
    publicKeys: () => ({ keys: [] }),
    log: pino({ level: "silent" }),
    drainTimeout: 100,
  };
}

export async function start(options: Partial<ServerOptions> = {}): Promise<RunningServer> {
  const server = await startServer({ ...serverOptions(createEcho()), ...options });
  onTestFinished(() => server.close());
  return server;
}

export async function echo(transport: Transport, label = "x"): Promise<Seen> {
  const { secret } = await createClient(TokenService, transport).create({ kind: "personal", label });
  return JSON.parse(secret);
}

/** Whatever a test did to a server, others must be served as before. */
export async function expectServing(server: RunningServer): Promise<void> {
  const seen = await echo(createGrpcTransport({ baseUrl: server.url }), "still here");
  expect(seen).toMatchObject({ label: "still here", protocol: "grpc" });
}

export async function failureOf(work: Promise<unknown>): Promise<ConnectError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectError)) throw new Error("expected a ConnectError", { cause: error });
  return error;
}

/** Code, reason and the rest of an error, in a form to compare. */
export function describeError(error: ConnectError) {
  return {
    code: Code[error.code],
    message: error.rawMessage,
    reasons: error.findDetails(ErrorInfoSchema).map(({ domain, reason }) => `${domain}/${reason}`),
    fields: error.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations.map(({ field }) => field)),
    retry: error.findDetails(RetryInfoSchema).map((info) => Number(info.retryDelay?.seconds)),
  };
}

/** A bare TCP connection that collects what comes back. */
export async function dial(
  server: RunningServer,
): Promise<{ socket: Socket; received: () => string; closed: Promise<void> }> {
  const socket = connectTcp(server.address.port, server.address.host);
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
  });
  socket.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  onTestFinished(() => {
    socket.destroy();
  });
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  return { socket, received: () => text, closed };
}
