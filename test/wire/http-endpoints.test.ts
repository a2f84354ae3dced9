import http from "node:http";
import http2 from "node:http2";
import { describe, expect, it, vi } from "vitest";
import { start } from "./fixtures.ts";

const PATH = "/.well-known/jwks.json";
const KEYS = { keys: [{ kty: "OKP", crv: "Ed25519", x: "AA", kid: "one" }] };

/** `fetch` would not let a test set `origin`. */
async function ask(method = "GET", headers: http.OutgoingHttpHeaders = {}, corsOrigins: string[] = []) {
  const server = await start({ publicKeys: () => KEYS, corsOrigins });
  return new Promise<{ status: number | undefined; headers: http.IncomingHttpHeaders; text: string }>((resolve) => {
    http
      .request(server.url + PATH, { method, headers }, async (response) => {
        const text = (await response.setEncoding("utf8").toArray()).join("");
        resolve({ status: response.statusCode, headers: response.headers, text });
      })
      .end();
  });
}

describe("the public keys", () => {
  it("are for everybody, to keep for five minutes", async () => {
    const { status, headers, text } = await ask();
    expect(status).toBe(200);
    expect(JSON.parse(text)).toEqual(KEYS);
    expect(headers).toMatchObject({
      "content-type": "application/json",
      "content-length": String(text.length),
      "cache-control": "public, max-age=300",
      "access-control-allow-origin": "*",
      "x-content-type-options": "nosniff",
    });
    expect(headers).not.toHaveProperty("access-control-allow-credentials");
  });

  it.each([
    ["an origin that may call", "https://app.example"],
    ["an origin that may not call", "https://else.example"],
    ["a sandboxed frame", "null"],
  ])("may be read by %s", async (_, origin) => {
    const { status, headers } = await ask("GET", { origin }, ["https://app.example"]);
    expect(status).toBe(200);
    expect(headers["access-control-allow-origin"]).toBe("*");
  });

  it("have a head without a body, and take no other method", async () => {
    const head = await ask("HEAD");
    expect(head).toMatchObject({ status: 200, text: "" });
    expect(head.headers).toMatchObject({
      "content-length": String(JSON.stringify(KEYS).length),
      "cache-control": "public, max-age=300",
    });
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      const { status, headers } = await ask(method);
      expect({ status, allow: headers.allow }).toEqual({ status: 405, allow: "GET, HEAD" });
      expect(headers["cache-control"]).toBe("no-store");
    }
  });

  it("are those of the moment", async () => {
    const publicKeys = vi.fn(() => ({ keys: [] as object[] }));
    const server = await start({ publicKeys });
    const fetchKeys = async () => (await fetch(server.url + PATH)).json();
    expect(await fetchKeys()).toEqual({ keys: [] });
    publicKeys.mockReturnValue(KEYS);
    expect(await fetchKeys()).toEqual(KEYS);
  });

  it("are served over HTTP/2 too, and when the store is away", async () => {
    const server = await start({ publicKeys: () => KEYS, isReady: async () => false });
    const session = http2.connect(server.url);
    const stream = session.request({ ":path": PATH });
    const headers = await new Promise<http2.IncomingHttpHeaders>((resolve) => stream.once("response", resolve));
    const text = (await stream.setEncoding("utf8").toArray()).join("");
    session.close();
    expect(headers).toMatchObject({ ":status": 200, "cache-control": "public, max-age=300" });
    expect(JSON.parse(text)).toEqual(KEYS);
  });
});

it("nothing else of the service may be kept", async () => {
  const server = await start();
  for (const path of ["/healthz", "/readyz", "/", `${PATH}/`]) {
    const { headers } = await fetch(server.url + path);
    expect([path, headers.get("cache-control")]).toEqual([path, "no-store"]);
    expect(headers.get("access-control-allow-origin")).toBeNull();
  }
});
