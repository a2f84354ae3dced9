import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { credentials } from "@grpc/grpc-js";
import { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { createGrpcJsClient } from "./grpc-js.ts";
import { createServiceClient, ROOT_TOKEN } from "./service.ts";

/** Sent with a call besides what it needs. */
type CallHeaders = Readonly<Record<string, string>>;

/** One of the clients, on connections of its own. */
export interface Player {
  readonly name: string;
  /** The service that it calls. */
  readonly instance: string;
  /** Calls as the root. */
  readonly root: Client<typeof TokenService>;
  /** Calls as the owner of a secret, with something that is always answered. */
  callWith(secret: string, headers?: CallHeaders): Promise<unknown>;
  /** Introspects as the owner of a secret, something that is nobody's. */
  introspectWith(secret: string, headers?: CallHeaders): Promise<unknown>;
  close(): void;
}

/** Connects that many clients to the services, every third of them by grpc-js. */
export function connectPlayers(urls: readonly string[], count: number): Player[] {
  return Array.from({ length: count }, (_, index) => {
    const url = urls[index % urls.length] as string;
    const transport = createConnectTransport({ baseUrl: url, httpVersion: "2" });
    const anyone = createClient(TokenService, transport);
    const as = (secret: string, headers: CallHeaders = {}) => ({
      headers: { ...headers, authorization: `Bearer ${secret}` },
    });
    const own: Omit<Player, "name" | "root" | "close"> = {
      instance: url,
      callWith: (secret, headers) => anyone.list({ pageSize: 1 }, as(secret, headers)),
      introspectWith: (secret, headers) => anyone.introspect({ secret: "nobody's" }, as(secret, headers)),
    };
    if (index % 3 !== 2) {
      return { ...own, name: `c${index}`, root: createServiceClient(url, ROOT_TOKEN), close: () => {} };
    }
    const root = createGrpcJsClient(new URL(url).host, credentials.createInsecure(), {
      authorization: `Bearer ${ROOT_TOKEN}`,
    });
    return { ...own, name: `g${index}`, root, close: () => root.close() };
  });
}
