import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import { type BrowserPage, openPage } from "../support/browser.ts";
import { createGrpcJsClient } from "../support/grpc-js.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { ROOT_TOKEN, startService, type TestService, withToken } from "../support/service.ts";
import { type Authority, createAuthority } from "../support/tls.ts";
import type { BrowserRun, ScenarioWindow } from "./browser-entry.ts";
import { type Connect, runScenario, type Step } from "./scenario.ts";

// The protocol table: one scenario × every protocol × every client × every store. All runs must answer the same.

interface Row {
  readonly protocol: string;
  readonly client: string;
  readonly tls: boolean;
  run(service: TestService, tenant: string): Promise<Step[]>;
}

let authority: Authority;
let browser: BrowserPage;

interface NodeOptions {
  readonly baseUrl: string;
  readonly nodeOptions: { readonly ca: string };
  readonly interceptors: Interceptor[];
}

function overNode(protocol: string, tls: boolean, createTransport: (options: NodeOptions) => Transport): Row {
  return {
    protocol,
    client: "connect-node",
    tls,
    run: (service, tenant) => {
      const connect: Connect = (token) =>
        createClient(
          TokenService,
          createTransport({
            baseUrl: service.url,
            nodeOptions: { ca: authority.cert },
            interceptors: [withToken(token)],
          }),
        );
      return runScenario(connect, ROOT_TOKEN, tenant);
    },
  };
}

function overBrowser(protocol: string, tls: boolean, kind: BrowserRun["protocol"]): Row {
  return {
    protocol,
    client: "connect-web in Chromium",
    tls,
    run: (service, tenant) =>
      browser.page.evaluate((run) => (window as unknown as ScenarioWindow).runInBrowser(run), {
        url: service.url,
        protocol: kind,
        rootToken: ROOT_TOKEN,
        tenant,
      }),
  };
}

function overGrpcJs(protocol: string, tls: boolean): Row {
  return {
    protocol,
    client: "grpc-js",
    tls,
    run: async (service, tenant) => {
      const { host } = new URL(service.url);
      const channel = tls ? credentials.createSsl(Buffer.from(authority.cert)) : credentials.createInsecure();
      const clients: { close(): void }[] = [];
      const connect: Connect = (token) => {
        const client = createGrpcJsClient(host, channel, { authorization: `Bearer ${token}` });
        clients.push(client);
        return client;
      };
      const steps = await runScenario(connect, ROOT_TOKEN, tenant);
      for (const client of clients) client.close();
      return steps;
    },
  };
}

const h1 = { httpVersion: "1.1" } as const;
const h2 = { httpVersion: "2" } as const;

const rows: Row[] = [
  overNode("Connect h1 JSON", false, (o) => createConnectTransport({ ...o, ...h1, useBinaryFormat: false })),
  overBrowser("Connect h1 JSON", false, "connect-json"),
  overNode("Connect h2 binary", false, (o) => createConnectTransport({ ...o, ...h2, useBinaryFormat: true })),
  overBrowser("Connect h2 binary", true, "connect-binary"),
  overNode("gRPC h2c", false, createGrpcTransport),
  overGrpcJs("gRPC h2c", false),
  overNode("gRPC over TLS", true, createGrpcTransport),
  overGrpcJs("gRPC over TLS", true),
  overNode("gRPC-Web h1", false, (o) => createGrpcWebTransport({ ...o, ...h1 })),
  overBrowser("gRPC-Web h1", false, "grpc-web"),
  overNode("gRPC-Web h2", false, (o) => createGrpcWebTransport({ ...o, ...h2 })),
  overBrowser("gRPC-Web h2", true, "grpc-web"),
];

let redis: RedisServer;
let folder: string;
const services = new Map<string, TestService>();
let reference: Step[];

beforeAll(async () => {
  authority = createAuthority();
  folder = mkdtempSync(join(tmpdir(), "latchkey-protocols-"));
  [browser, redis] = await Promise.all([openPage(join(import.meta.dirname, "browser-entry.ts")), startRedis()]);
  const { cert, key } = authority.issueServer();
  writeFileSync(join(folder, "cert.pem"), cert);
  writeFileSync(join(folder, "key.pem"), key, { mode: 0o600 });
  const tls = { LATCHKEY_TLS_CERT: join(folder, "cert.pem"), LATCHKEY_TLS_KEY: join(folder, "key.pem") };
  for (const store of ["SQLite", "Redis"]) {
    const variables = {
      LATCHKEY_CORS_ORIGINS: browser.origin,
      LATCHKEY_KEYS: join(folder, "keys.yaml"),
      ...(store === "Redis" && { LATCHKEY_STORE: redis.url }),
    };
    services.set(`${store} false`, await startService(variables));
    services.set(`${store} true`, await startService({ ...variables, ...tls }));
  }
  const first = rows[0] as Row;
  reference = await first.run(services.get("SQLite false") as TestService, "reference");
});

afterAll(async () => {
  await Promise.all([...services.values()].map((service) => service.close()));
  await browser.close();
  await redis.stop();
  rmSync(folder, { recursive: true });
});

test("the reference run is as expected", async () => {
  await expect(reference.map((step) => JSON.stringify(step)).join("\n")).toMatchFileSnapshot("scenario.steps");
});

for (const store of ["SQLite", "Redis"]) {
  describe(`on ${store}`, () => {
    for (const row of rows) {
      test(`${row.protocol} by ${row.client} answers the same as every other way`, async () => {
        const service = services.get(`${store} ${row.tls}`) as TestService;
        const steps = await row.run(service, `${store}-${row.protocol}-${row.client}`.replaceAll(" ", "-"));
        expect(steps).toEqual(reference);
      });
    }
  });
}
