import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { credentials, loadPackageDefinition, type ServiceError, status } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { protoPath } from "grpc-health-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "#gen/grpc/health/v1/health_pb.ts";
import type { RunningServer } from "../../src/wire/server.ts";
import { describeError, failureOf, start } from "./fixtures.ts";

const TOKEN_SERVICE = "latchkey.v1.TokenService";

function dialHealth(server: RunningServer): Client<typeof Health> {
  return createClient(Health, createGrpcTransport({ baseUrl: server.url }));
}

const stores: [string, () => Promise<boolean>, Status][] = [
  ["ready", async () => true, Status.SERVING],
  ["not ready", async () => false, Status.NOT_SERVING],
  ["without an answer from its store", () => Promise.reject(new Error("away")), Status.NOT_SERVING],
];

describe("health over gRPC, without credentials", () => {
  it.each(stores)("a server that is %s says so, for itself and the TokenService", async (_what, isReady, expected) => {
    const client = dialHealth(await start({ isReady }));
    expect((await client.check({})).status).toBe(expected);
    expect((await client.check({ service: TOKEN_SERVICE })).status).toBe(expected);
    const { statuses } = await client.list({});
    expect(Object.entries(statuses).map(([name, answer]) => [name, answer.status])).toEqual([
      ["", expected],
      [TOKEN_SERVICE, expected],
    ]);
  });

  it("an unknown service is NOT_FOUND to Check and SERVICE_UNKNOWN to Watch", async () => {
    const client = dialHealth(await start());
    expect(describeError(await failureOf(client.check({ service: "nope" }))).code).toBe("NotFound");
    for await (const answer of client.watch({ service: "nope" })) {
      expect(answer.status).toBe(Status.SERVICE_UNKNOWN);
      break;
    }
  });

  it("Watch tells each change, and ends when the server drains", async () => {
    let ready = true;
    const server = await start({ isReady: async () => ready, drainTimeout: 5000 });
    const seen: number[] = [];
    const watching = (async () => {
      for await (const answer of dialHealth(server).watch({})) seen.push(answer.status);
    })();
    await vi.waitFor(() => expect(seen).toEqual([Status.SERVING]));
    ready = false;
    await vi.waitFor(() => expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING]), 5000);
    ready = true;
    await vi.waitFor(() => expect(seen.at(-1)).toBe(Status.SERVING), 5000);
    await server.close();
    await watching;
    expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING, Status.SERVING, Status.NOT_SERVING]);
  });

  it("the health client that grpc-js users have understands it", async () => {
    const server = await start();
    const { grpc } = loadPackageDefinition(loadSync(protoPath, { enums: String })) as never as {
      grpc: { health: { v1: { Health: new (...args: unknown[]) => GrpcJsHealth } } };
    };
    const client = new grpc.health.v1.Health(new URL(server.url).host, credentials.createInsecure());
    onTestFinished(() => client.close());
    const check = (service: string) =>
      new Promise((resolve, reject) => {
        client.check({ service }, (error, answer) => (error ? reject(error) : resolve(answer)));
      });
    expect(await check(TOKEN_SERVICE)).toEqual({ status: "SERVING" });
    await expect(check("nope")).rejects.toMatchObject({ code: status.NOT_FOUND });
  });

  it("serves Connect clients as well", async () => {
    const server = await start();
    const client = createClient(Health, createConnectTransport({ baseUrl: server.url, httpVersion: "1.1" }));
    expect((await client.check({})).status).toBe(Status.SERVING);
  });
});

interface GrpcJsHealth {
  check(request: object, done: (error: ServiceError | null, answer: unknown) => void): void;
  close(): void;
}

describe("probes are no load on the store", () => {
  it("asks it once for however many come at a time", async () => {
    const asked = vi.fn(async () => true);
    const server = await start({ isReady: asked });
    const client = dialHealth(server);
    await Promise.all(Array.from({ length: 50 }, () => client.check({})));
    await Promise.all(Array.from({ length: 50 }, () => fetch(`${server.url}/readyz`)));
    expect(asked).toHaveBeenCalledTimes(1);
  });

  it("does not wait for a store that hangs, and does not ask it again while it does", async () => {
    const asked = vi.fn(() => new Promise<boolean>(() => undefined));
    const client = dialHealth(await start({ isReady: asked }));
    const answers = await Promise.all([client.check({}), client.check({})]);
    expect(answers.map((answer) => answer.status)).toEqual([Status.NOT_SERVING, Status.NOT_SERVING]);
    expect(asked).toHaveBeenCalledTimes(1);
  });
});

describe("health over plain HTTP", () => {
  const ask = async (path: string, method = "GET", ready = true) => {
    const server = await start({ isReady: async () => ready });
    const response = await fetch(server.url + path, { method });
    return { status: response.status, allow: response.headers.get("allow"), text: await response.text() };
  };

  it.each([
    ["/healthz", "GET", true, { status: 200, text: '{"status":"alive"}' }],
    ["/healthz", "GET", false, { status: 200, text: '{"status":"alive"}' }],
    ["/healthz?x=1", "HEAD", true, { status: 200, text: "" }],
    ["/readyz", "GET", true, { status: 200, text: '{"status":"ready"}' }],
    ["/readyz", "GET", false, { status: 503, text: '{"status":"unavailable"}' }],
    ["/readyz", "HEAD", false, { status: 503, text: "" }],
    ["/readyz", "POST", true, { status: 405, allow: "GET, HEAD" }],
    ["/latchkey.v1.TokenService/Create?message=x", "GET", true, { status: 405, allow: "POST" }],
    ["/healthz/", "GET", true, { status: 404 }],
  ])("%s %s with a store that is ready: %s", async (path, method, ready, expected) => {
    expect(await ask(path, method, ready)).toMatchObject(expected);
  });
});
