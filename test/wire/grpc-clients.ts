import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { CreateRequestSchema, CreateResponseSchema, TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import type { RunningServer } from "../../src/wire/server.ts";
import { startPythonClient } from "../support/grpc-python.ts";
import type { Seen } from "./fixtures.ts";
import { CREATE } from "./raw.ts";

/** The two ways through the server that a gRPC call can take. */
export type Way = "lane" | "Connect";

export interface Attempt {
  readonly label: string;
  /** Milliseconds. */
  readonly timeout?: number;
  /** Pairs of name and value; the values of names that end in `-bin` in base64. */
  readonly metadata?: readonly (readonly [string, string])[];
}

/** What a client makes of an answer. */
export type Outcome =
  | { readonly seen: Seen }
  | { readonly code: number; readonly message: string; readonly details: readonly string[] };

/** A gRPC client that calls Create. */
export interface GrpcClient {
  create(attempt: Attempt): Promise<Outcome>;
  close(): Promise<void> | void;
}

const PATIENCE_MS = 10_000;

/** The lane knows methods by their bare path; with a query behind it, a request goes through Connect. */
const PATHS: Record<Way, string> = { lane: CREATE, Connect: `${CREATE}?` };

export const grpcClients: Record<string, (server: RunningServer, way: Way) => GrpcClient> = {
  "@grpc/grpc-js": dialGrpcJs,
  "connect-node": dialConnectNode,
  "python3-grpcio": dialPython,
};

function dialGrpcJs(server: RunningServer, way: Way): GrpcClient {
  const client = new Client(`${server.address.host}:${server.address.port}`, credentials.createInsecure());
  return {
    create: ({ label, timeout = PATIENCE_MS, metadata = [] }) =>
      new Promise((resolve) => {
        const headers = new Metadata();
        for (const [name, value] of metadata) headers.add(name, decodeValue(name, value));
        client.makeUnaryRequest<string, Seen>(
          PATHS[way],
          encode,
          decode,
          label,
          headers,
          { deadline: Date.now() + timeout },
          (error, seen) => resolve(error ? describeGrpcJs(error) : { seen: seen as Seen }),
        );
      }),
    close: () => client.close(),
  };
}

function describeGrpcJs(error: ServiceError): Outcome {
  const details = error.metadata.get("grpc-status-details-bin").map((value) => Buffer.from(value as Buffer));
  return { code: error.code, message: error.details, details: details.flatMap(reasonsIn) };
}

/** It names no paths, so its other way is the JSON codec, which only Connect has. */
function dialConnectNode(server: RunningServer, way: Way): GrpcClient {
  const transport = createGrpcTransport({ baseUrl: server.url, useBinaryFormat: way === "lane" });
  const client = createClient(TokenService, transport);
  return {
    async create({ label, timeout = PATIENCE_MS, metadata = [] }) {
      const headers = new Headers(metadata.map(([name, value]) => [name, value]));
      return client.create({ kind: "personal", label }, { headers, timeoutMs: timeout }).then(
        ({ secret }): Outcome => ({ seen: JSON.parse(secret) }),
        (error: ConnectError): Outcome => ({
          code: error.code,
          message: error.rawMessage,
          details: error.findDetails(ErrorInfoSchema).map(({ reason }) => reason),
        }),
      );
    },
    close() {},
  };
}

function dialPython(server: RunningServer, way: Way): GrpcClient {
  const python = startPythonClient(`${server.address.host}:${server.address.port}`);
  return {
    async create({ label, timeout = PATIENCE_MS, metadata = [] }) {
      const outcome = await python.call({ path: PATHS[way], request: encode(label), metadata, timeout });
      if (outcome.answer !== undefined) return { seen: decode(Buffer.from(outcome.answer, "base64")) };
      const { code, message, details = "" } = outcome;
      return { code, message, details: reasonsIn(Buffer.from(details, "base64")) };
    },
    close: () => python.close(),
  };
}

function encode(label: string): Buffer {
  return Buffer.from(toBinary(CreateRequestSchema, create(CreateRequestSchema, { kind: "personal", label })));
}

function decode(answer: Uint8Array): Seen {
  return JSON.parse(fromBinary(CreateResponseSchema, answer).secret);
}

function decodeValue(name: string, value: string): string | Buffer {
  return name.endsWith("-bin") ? Buffer.from(value, "base64") : value;
}

/** The reason, which stands in a google.rpc.Status in plain ASCII. */
function reasonsIn(status: Buffer): string[] {
  return status.toString("latin1").match(/[A-Z]{3,}(?:_[A-Z]+)*/g) ?? [];
}
