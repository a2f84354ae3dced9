import http from "node:http";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, it, vi } from "vitest";
import type { CallSignal } from "../../src/call/call.ts";
import { raceAbort } from "../../src/call/race-abort.ts";
import { createEcho, describeError, dial, echo, failureOf, start } from "./fixtures.ts";
import { frame, openSession, send } from "./raw.ts";

/** A call that waits until the test lets it go. */
function createGate() {
  const opened = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  const call = createEcho(() => {
    entered.resolve();
    return opened.promise;
  });
  return { call, entered: entered.promise, open: opened.resolve };
}

describe("a server that goes down", () => {
  it.each(["grpc", "http/1.1"])("finishes what is in flight over %s, and takes no more", async (protocol) => {
    const gate = createGate();
    const server = await start({ call: gate.call, drainTimeout: 5000 });
    const agent = new http.Agent({ keepAlive: true });
    const answer =
      protocol === "grpc" ? echo(createGrpcTransport({ baseUrl: server.url })) : postJson(server.url, agent);
    await gate.entered;
    const closed = server.close();
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow("fetch failed");
    gate.open();
    expect(await answer).toMatchObject({ method: "Create" });
    const began = performance.now();
    await closed;
    expect(performance.now() - began).toBeLessThan(1000);
    agent.destroy();
  });

  it("tells clients of its HTTP/2 connections to go elsewhere", async () => {
    const gate = createGate();
    const server = await start({ call: gate.call, drainTimeout: 5000 });
    const session = openSession(server);
    const goneAway = new Promise((resolve) => session.once("goaway", resolve));
    const answer = send(session, frame(Buffer.alloc(0)));
    await gate.entered;
    const closed = server.close();
    expect(await goneAway).toBe(0);
    gate.open();
    expect((await answer).trailers).toMatchObject({ "grpc-status": "0" });
    await closed;
  });

  it("aborts calls that hang, with an error that says why, and is gone within 10 s", async () => {
    const signals: CallSignal[] = [];
    const call = createEcho((_label, { signal }) => {
      signals.push(signal);
      return raceAbort(new Promise<never>(() => undefined), signal);
    });
    const server = await start({ call, drainTimeout: 80 });
    const failure = failureOf(echo(createGrpcTransport({ baseUrl: server.url })));
    await vi.waitFor(() => expect(signals).toHaveLength(1));
    await server.close();
    expect(describeError(await failure)).toMatchObject({ code: "Unavailable", reasons: ["latchkey/SHUTTING_DOWN"] });
    expect(signals[0]?.reason).toMatchObject({ reason: "SHUTTING_DOWN" });
  });

  it("waits for nobody who holds an idle connection, or one that leads nowhere", async () => {
    const server = await start({ drainTimeout: 5000 });
    const silent = await dial(server);
    const idle = await dial(server);
    idle.socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    await vi.waitFor(() => expect(idle.received()).toContain("alive"));
    const session = openSession(server);
    await new Promise((resolve) => session.once("remoteSettings", resolve));
    const began = performance.now();
    await server.close();
    await Promise.all([silent.closed, idle.closed]);
    expect(performance.now() - began).toBeLessThan(1000);
  });

  it.each([
    ["half a preface", "PRI * HTTP"],
    ["half a header", "POST / HTTP/1.1\r\nHost: x\r\nX-"],
  ])("hangs up on a client that sends %s and then neither more nor goes, after its time", async (_what, bytes) => {
    const server = await start({ drainTimeout: 50 });
    const slow = await dial(server);
    slow.socket.write(bytes);
    // The server has read what came before on the same loop by the time that it has answered this.
    await echo(createGrpcTransport({ baseUrl: server.url }));
    await server.close();
    await slow.closed;
  });

  it("says that it is not ready while it still serves, for as long as load balancers need to see it", async () => {
    const server = await start({ drainDelay: 300 });
    const closed = server.close();
    const response = await fetch(`${server.url}/readyz`);
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ status: "draining" });
    expect(response.headers.get("connection")).toBe("close");
    expect(await echo(createGrpcTransport({ baseUrl: server.url }))).toMatchObject({ method: "Create" });
    await closed;
  });

  it("may be told so twice", async () => {
    const server = await start();
    await Promise.all([server.close(), server.close()]);
  });
});

it("rejects the start if its port is taken", async () => {
  const server = await start();
  await expect(start({ listen: server.address })).rejects.toMatchObject({ code: "EADDRINUSE" });
});

function postJson(url: string, agent: http.Agent): Promise<object> {
  const headers = { "content-type": "application/json", "content-length": 2 };
  return new Promise((resolve, reject) => {
    const options = { method: "POST", headers, agent };
    const request = http.request(`${url}/latchkey.v1.TokenService/Create`, options, async (response) => {
      resolve(JSON.parse(JSON.parse((await response.toArray()).join("")).secret));
    });
    request.on("error", reject).end("{}");
  });
}
