import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { type DestinationStream, pino } from "pino";
import { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { type Surroundings, startApp } from "../../src/app.ts";
import { readConfig } from "../../src/config.ts";
import { systemClock } from "../../src/domain/clock.ts";
import { openStore } from "../../src/store/open-store.ts";

/** The root token of every service that the tests start. */
export const ROOT_TOKEN = "the-root-token-of-the-tests-0123456789";

export interface TestService {
  readonly url: string;
  /** Where its files lie. */
  readonly folder: string;
  /** A client of the service (Connect over HTTP/2) that calls with a token, the root's by default. */
  client(token?: string): Client<typeof TokenService>;
  close(): Promise<void>;
}

/** Starts a whole service in this process, on a free port and on SQLite in a folder of its own unless told otherwise. */
export async function startService(
  variables: Record<string, string> = {},
  logs: { level: string; stream: DestinationStream } | undefined = undefined,
  surroundings: Partial<Surroundings> = {},
): Promise<TestService> {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-"));
  const config = readConfig({
    LATCHKEY_LISTEN: "127.0.0.1:0",
    LATCHKEY_STORE: `sqlite:${join(folder, "latchkey.db")}`,
    LATCHKEY_KEYS: join(folder, "keys.yaml"),
    LATCHKEY_ROOT_TOKEN: ROOT_TOKEN,
    ...variables,
  });
  const log = logs ? pino({ level: logs.level }, logs.stream) : pino({ level: "silent" });
  const app = await startApp(config, log, { clock: systemClock, openStore, ...surroundings });
  return {
    url: app.url,
    folder,
    client: (token = ROOT_TOKEN) => createServiceClient(app.url, token),
    async close() {
      await app.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A client of a running service. */
export function createServiceClient(url: string, token: string): Client<typeof TokenService> {
  const transport = createConnectTransport({ baseUrl: url, httpVersion: "2", interceptors: [withToken(token)] });
  return createClient(TokenService, transport);
}

/** Sends a token with every call. */
export function withToken(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}

/** How a request names a token by its id. */
export function byId(value: string) {
  return { case: "id", value } as const;
}
