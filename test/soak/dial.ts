import { Agent } from "node:http";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { credentials } from "@grpc/grpc-js";
import { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { createGrpcJsClient } from "../support/grpc-js.ts";
import { withToken } from "../support/service.ts";

/** A client on connections of its own. */
export interface Line {
  readonly client: Client<typeof TokenService>;
  /** Ends its connections. */
  close(): void;
}

export type Dial = (url: string, token: string) => Line;

type Create = (options: Parameters<typeof createGrpcTransport>[0]) => Transport;

/** An HTTP/2 transport whose connection can be ended. */
export function openHttp2(url: string, create: Create, token?: string): { transport: Transport; close(): void } {
  const sessionManager = new Http2SessionManager(url);
  const interceptors = token === undefined ? [] : [withToken(token)];
  return { transport: create({ baseUrl: url, sessionManager, interceptors }), close: () => sessionManager.abort() };
}

function overHttp2(create: Create): Dial {
  return (url, token) => {
    const { transport, close } = openHttp2(url, create, token);
    return { client: createClient(TokenService, transport), close };
  };
}

function overHttp1(create: typeof createConnectTransport): Dial {
  return (url, token) => {
    const agent = new Agent({ keepAlive: true });
    const interceptors = [withToken(token)];
    const transport = create({ baseUrl: url, httpVersion: "1.1", interceptors, nodeOptions: { agent } });
    return {
      client: createClient(TokenService, transport),
      close: () => agent.destroy(),
    };
  };
}

/** All ways to call. The first two take the unary lane. */
export const dials: Readonly<Record<string, Dial>> = {
  "gRPC by grpc-js": (url, token) => {
    const client = createGrpcJsClient(new URL(url).host, credentials.createInsecure(), {
      authorization: `Bearer ${token}`,
    });
    return { client, close: () => client.close() };
  },
  "gRPC by Connect": overHttp2(createGrpcTransport),
  "Connect over HTTP/1.1": overHttp1(createConnectTransport),
  "Connect over HTTP/2": overHttp2((options) => createConnectTransport({ ...options, httpVersion: "2" })),
  "Connect with JSON": overHttp2((options) =>
    createConnectTransport({ ...options, httpVersion: "2", useBinaryFormat: false }),
  ),
  "gRPC-Web over HTTP/1.1": overHttp1(createGrpcWebTransport),
  "gRPC-Web over HTTP/2": overHttp2((options) => createGrpcWebTransport({ ...options, httpVersion: "2" })),
};
