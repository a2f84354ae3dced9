import http from "node:http";
import { describe, expect, it } from "vitest";
import { start } from "./fixtures.ts";
import { CREATE } from "./raw.ts";

const APP = "https://app.example";

/** `fetch` would not let a test set `origin`. */
async function ask(method: string, origins: readonly string[], headers: http.OutgoingHttpHeaders, path = CREATE) {
  const server = await start({ corsOrigins: origins });
  const body = method === "POST" ? "{}" : "";
  return new Promise<http.IncomingMessage>((resolve, reject) => {
    const request = http.request(server.url + path, { method, headers }, (response) => resolve(response.resume()));
    request.on("error", reject).end(body);
  });
}

const preflight = (origins: readonly string[], origin: string) =>
  ask("OPTIONS", origins, { origin, "access-control-request-method": "POST" });
const post = (origins: readonly string[], headers: http.OutgoingHttpHeaders) =>
  ask("POST", origins, { "content-type": "application/json", ...headers });

describe("an allowed origin", () => {
  it("gets its preflight answered, with all that browsers need for the three protocols", async () => {
    const { statusCode, headers } = await preflight([APP], APP);
    expect(statusCode).toBe(204);
    expect(headers).toMatchObject({
      "access-control-allow-origin": APP,
      "access-control-max-age": "7200",
      vary: "Origin",
    });
    const allowed = String(headers["access-control-allow-headers"]).toLowerCase().split(", ");
    expect(allowed).toEqual(
      expect.arrayContaining(["authorization", "content-type", "connect-timeout-ms", "x-grpc-web"]),
    );
    expect(headers["access-control-allow-methods"]).toContain("POST");
    expect(headers).not.toHaveProperty("access-control-allow-credentials");
  });

  it("may read the answer", async () => {
    const { statusCode, headers } = await post([APP], { origin: APP });
    expect(statusCode).toBe(200);
    expect(headers).toMatchObject({ "access-control-allow-origin": APP, vary: "Origin" });
    expect(headers["access-control-expose-headers"]).toContain("Grpc-Status-Details-Bin");
    expect(headers).not.toHaveProperty("access-control-allow-credentials");
  });
});

it("lets pages send the headers that the operator has named, besides the usual ones", async () => {
  const server = await start({ corsOrigins: [APP], corsHeaders: ["x-app-id"] });
  const headers = {
    origin: APP,
    "access-control-request-method": "POST",
    "access-control-request-headers": "x-app-id",
  };
  const response = await fetch(server.url + CREATE, { method: "OPTIONS", headers });
  const allowed = response.headers.get("access-control-allow-headers")?.toLowerCase().split(", ");
  expect(allowed).toEqual(expect.arrayContaining(["x-app-id", "authorization", "content-type"]));
  const usual = String((await preflight([APP], APP)).headers["access-control-allow-headers"]).toLowerCase();
  expect(usual).not.toContain("x-app-id");
});

describe("nobody else is let in", () => {
  it.each([
    ["another host", "https://evil.example"],
    ["another scheme", "http://app.example"],
    ["another port", "https://app.example:444"],
    ["a host that begins alike", "https://app.example.evil.example"],
    ["a host that ends alike", "https://evilapp.example"],
    ["a subdomain", "https://x.app.example"],
    ["upper case", "https://APP.example"],
    ["a trailing slash", `${APP}/`],
    ["two origins", `${APP} ${APP}`],
    ["no origin worth the name", "null"],
  ])("%s", async (_what, origin) => {
    const refused = await preflight([APP, "null"], origin);
    expect(refused.statusCode).toBe(403);
    const answer = await post([APP, "null"], { origin });
    for (const { headers } of [refused, answer]) {
      expect(Object.keys(headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
      expect(headers.vary).toBe("Origin");
    }
  });

  it("not even when every origin is allowed: `null`, which anybody's sandboxed frame sends", async () => {
    expect((await preflight(["*"], "null")).statusCode).toBe(403);
    expect((await post(["*"], { origin: "null" })).headers).not.toHaveProperty("access-control-allow-origin");
  });
});

it("allows all origins only as `*`, and never with credentials", async () => {
  for (const { headers } of [await preflight(["*"], APP), await post(["*"], { origin: APP })]) {
    expect(headers["access-control-allow-origin"]).toBe("*");
    expect(headers).not.toHaveProperty("access-control-allow-credentials");
  }
});

it("is off where no origin is configured", async () => {
  const refused = await preflight([], APP);
  expect(refused.statusCode).toBe(405);
  expect(refused.headers.allow).toBe("POST");
  const { headers } = await post([], { origin: APP });
  expect(headers.vary).toBeUndefined();
  expect(headers).not.toHaveProperty("access-control-allow-origin");
});

it("says `Vary: Origin` to callers without an origin too, since caches hold their answers for others", async () => {
  expect((await post([APP], {})).headers.vary).toBe("Origin");
});

it("an OPTIONS request that is no preflight is a wrong method", async () => {
  expect((await ask("OPTIONS", [APP], { origin: APP })).statusCode).toBe(405);
});
