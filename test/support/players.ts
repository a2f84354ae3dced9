import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { credentials } from "@grpc/grpc-js";
import { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { createGrpcJsClient } from "./grpc-js.ts";
import { createServiceClient, ROOT_TOKEN } from "./service.ts";

/** One of the clients, on connections of its own. */
export interface Player {
  readonly name: string;
  /** The service that it calls. */
  readonly instance: string;
  /** Calls as the root. */
  readonly root: Client<typeof TokenService>;
  /** Calls as the owner of a secret, with something that is always answered. */
  callWith(secret: string): Promise<unknown>;
  close(): void;
}

/** Connects that many clients to the services, every third of them by grpc-js. */
export function connectPlayers(urls: readonly string[], count: number): Player[] {
  return Array.from({ length: count }, (_, index) => {
    const url = urls[index % urls.length] as string;
    const transport = createConnectTransport({ baseUrl: url, httpVersion: "2" });
    const anyone = createClient(TokenService, transport);
    const callWith = (secret: string) => {
      return anyone.list({ pageSize: 1 }, { headers: { authorization: `Bearer ${secret}` } });
    };
    if (index % 3 !== 2) {
      return {
        name: `c${index}`,
        instance: url,
        root: createServiceClient(url, ROOT_TOKEN),
        callWith,
        close: () => {},
      };
    }
    const root = createGrpcJsClient(new URL(url).host, credentials.createInsecure(), {
      authorization: `Bearer ${ROOT_TOKEN}`,
    });
    return { name: `g${index}`, instance: url, root, callWith, close: () => root.close() };
  });
}
