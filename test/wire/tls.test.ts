import { connect as connectTls } from "node:tls";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import { createAuthority } from "../support/tls.ts";
import { describeError, echo, failureOf, start } from "./fixtures.ts";

const authority = createAuthority();
const server = authority.issueServer();
const client = authority.issueClient("billing");
const stranger = createAuthority("another authority").issueClient("billing");
const expired = authority.issueClient("billing", -1);

const mutual = () => start({ tls: { ...server, clientCa: authority.cert } });

const transports = [
  ["gRPC", createGrpcTransport],
  ["Connect over HTTP/1.1", createConnectHttp1],
] as const;

function createConnectHttp1(options: { baseUrl: string; nodeOptions: object }) {
  return createConnectTransport({ ...options, httpVersion: "1.1" });
}

describe.each(transports)("a caller over TLS by %s", (_name, createTransport) => {
  it("is known by its certificate if our authority has signed it", async () => {
    const { url: baseUrl } = await mutual();
    const transport = createTransport({ baseUrl, nodeOptions: { ca: authority.cert, ...client } });
    expect(await echo(transport)).toMatchObject({ certificate: "billing" });
    expect(await echo(transport)).toMatchObject({ certificate: "billing" });
  });

  it("may come without a certificate, since it can have other credentials", async () => {
    const { url: baseUrl } = await mutual();
    const seen = await echo(createTransport({ baseUrl, nodeOptions: { ca: authority.cert } }));
    expect(seen).not.toHaveProperty("certificate");
  });

  it.each([
    ["that another authority has signed", stranger],
    ["that has expired", expired],
    ["that is made for servers", server],
  ])("is hung up on with a certificate %s", async (_what, certificate) => {
    const { url: baseUrl } = await mutual();
    const transport = createTransport({ baseUrl, nodeOptions: { ca: authority.cert, ...certificate } });
    await failureOf(echo(transport));
    const without = createTransport({ baseUrl, nodeOptions: { ca: authority.cert } });
    expect(await echo(without)).not.toHaveProperty("certificate");
  });

  it("is not known by a certificate that nobody asked for", async () => {
    const { url: baseUrl } = await start({ tls: server });
    const transport = createTransport({ baseUrl, nodeOptions: { ca: authority.cert, ...client } });
    expect(await echo(transport)).not.toHaveProperty("certificate");
  });

  it("does not trust a server that our authority has not signed", async () => {
    const { url: baseUrl } = await mutual();
    const error = await failureOf(echo(createTransport({ baseUrl, nodeOptions: {} })));
    expect(describeError(error).reasons).toEqual([]);
  });
});

it("refuses TLS older than 1.2", async () => {
  const { address } = await mutual();
  const socket = connectTls({ ...address, ca: authority.cert, maxVersion: "TLSv1.1", minVersion: "TLSv1" });
  const error = await new Promise<Error>((resolve) => socket.once("error", resolve));
  expect(error.message).toMatch(/protocol|version/i);
});

it("closes a connection that does not finish its handshake, and one that does not speak TLS", async () => {
  const { address } = await start({ tls: server, limits: { headersTimeout: 60 } });
  const { connect } = await import("node:net");
  for (const bytes of ["", "GET / HTTP/1.1\r\n\r\n"]) {
    const socket = connect(address.port, address.host);
    socket.on("error", () => undefined).resume();
    socket.write(bytes);
    await new Promise<void>((resolve) => socket.once("close", () => resolve()));
  }
});
