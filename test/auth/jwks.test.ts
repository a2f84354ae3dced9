import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { RemoteKeys } from "../../src/auth/jwks.ts";
import { answerOf, bearer, expectInvalid, failureOf, peer } from "./fixtures.ts";
import { createEd25519, keySetOf, type SigningKey, settingsOf, signJwt, trusting } from "./jwt-fixtures.ts";

const first = createEd25519("first");
const second = createEd25519("second");
const UNAVAILABLE = {
  code: "UNAVAILABLE",
  reason: "ISSUER_UNAVAILABLE",
  message: "the keys of the JWT's issuer can't be fetched",
  violations: [],
  retryDelay: 1000,
};

const servers: Server[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => stop(server)));
});

async function serve(listener: RequestListener): Promise<{ url: URL; fetches: () => number; server: Server }> {
  const answer = vi.fn(listener);
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: new URL(`http://127.0.0.1:${port}/jwks.json`), fetches: () => answer.mock.calls.length, server };
}

function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

/** An issuer's server whose keys can be changed. */
async function publish(...keys: SigningKey[]) {
  let published = keys;
  const { url, fetches } = await serve((_, response) => response.end(JSON.stringify(keySetOf(...published))));
  const rotate = (...next: SigningKey[]) => {
    published = next;
  };
  return { url, fetches, rotate };
}

function trustingUrl(url: URL, changes: Partial<RemoteKeys> = {}) {
  return trusting(settingsOf({ keys: { url, timeout: 2000, cooldown: 30_000, maxAge: 600_000, ...changes } }));
}

async function expectUnavailable(call: Promise<unknown>): Promise<void> {
  expect(answerOf(await failureOf(call))).toEqual(UNAVAILABLE);
}

describe("remote keys", () => {
  test("are fetched once, also for many callers at the same moment", async () => {
    const issuer = await publish(first);
    const authenticate = trustingUrl(issuer.url);
    const callers = Array.from({ length: 20 }, () => authenticate(bearer(signJwt(first)), peer));
    expect(await Promise.all(callers)).toHaveLength(20);
    await authenticate(bearer(signJwt(first)), peer);
    expect(issuer.fetches()).toBe(1);
  });

  test("that have rotated are fetched again after the cooldown, and the old one is no longer good", async () => {
    const issuer = await publish(first);
    const authenticate = trustingUrl(issuer.url, { cooldown: 50 });
    await authenticate(bearer(signJwt(first)), peer);
    issuer.rotate(second);
    await vi.waitFor(async () => {
      expect(await authenticate(bearer(signJwt(second)), peer)).toMatchObject({ subject: "alice" });
    });
    await expectInvalid(authenticate, bearer(signJwt(first)));
  });

  test("are believed for their maximum age only", async () => {
    const issuer = await publish(first);
    const authenticate = trustingUrl(issuer.url, { maxAge: 50 });
    await authenticate(bearer(signJwt(first)), peer);
    issuer.rotate(second);
    await vi.waitFor(() => expectInvalid(authenticate, bearer(signJwt(first))));
  });

  test("are not fetched again for a flood of unknown key ids", async () => {
    const issuer = await publish(first);
    const authenticate = trustingUrl(issuer.url);
    await authenticate(bearer(signJwt(first)), peer);
    for (let i = 0; i < 50; i++) await expectInvalid(authenticate, bearer(signJwt(second, {}, { kid: `../${i}` })));
    expect(issuer.fetches()).toBe(1);
  });

  test("are never fetched from an address inside a JWT", async () => {
    const issuer = await publish(first);
    const evil = await publish(second);
    const authenticate = trustingUrl(issuer.url);
    for (const name of ["jku", "x5u"]) {
      await expectInvalid(authenticate, bearer(signJwt(second, {}, { [name]: evil.url.href })));
    }
    expect(evil.fetches()).toBe(0);
  });

  test("are not fetched for a JWT that names another issuer", async () => {
    const issuer = await publish(first);
    await expectInvalid(trustingUrl(issuer.url), bearer(signJwt(first, { iss: issuer.url.href })));
    expect(issuer.fetches()).toBe(0);
  });
});

describe("says UNAVAILABLE, never invalid, if the issuer", () => {
  test("is down", async () => {
    const { url, server } = await serve(() => {});
    await stop(server);
    await expectUnavailable(trustingUrl(url)(bearer(signJwt(first)), peer));
  });

  test("does not answer in time", async () => {
    const { url } = await serve(() => {});
    await expectUnavailable(trustingUrl(url, { timeout: 50 })(bearer(signJwt(first)), peer));
  });

  test("does not come to the end of its answer in time", async () => {
    const { url } = await serve((_, response) => response.write('{"keys":['));
    await expectUnavailable(trustingUrl(url, { timeout: 100 })(bearer(signJwt(first)), peer));
  });

  test.each<[string, RequestListener]>([
    ["answers an error", (_, response) => response.writeHead(500).end("{}")],
    ["sends elsewhere", (_, response) => response.writeHead(302, { location: "/other" }).end()],
    ["answers a page", (_, response) => response.end("<html>")],
    ["answers no key set", (_, response) => response.end('{"keys":{}}')],
    ["hangs up", (request) => request.socket.destroy()],
  ])("%s", async (_, listener) => {
    const { url, fetches } = await serve(listener);
    await expectUnavailable(trustingUrl(url)(bearer(signJwt(first)), peer));
    expect(fetches()).toBe(1);
  });
});

describe("while the issuer is down", () => {
  test("callers do not cause a fetch each", async () => {
    const { url, fetches } = await serve((_, response) => response.writeHead(503).end());
    const authenticate = trustingUrl(url);
    for (let i = 0; i < 20; i++) await expectUnavailable(authenticate(bearer(signJwt(first)), peer));
    expect(fetches()).toBe(1);
  });

  test("known keys stay good, and an unknown one can't be judged", async () => {
    let up = true;
    const { url } = await serve((_, response) =>
      up ? response.end(JSON.stringify(keySetOf(first))) : response.writeHead(503).end(),
    );
    const authenticate = trustingUrl(url, { cooldown: 0 });
    await authenticate(bearer(signJwt(first)), peer);
    up = false;
    await expectUnavailable(authenticate(bearer(signJwt(second)), peer));
    expect(await authenticate(bearer(signJwt(first)), peer)).toMatchObject({ subject: "alice" });
  });

  test("it is asked again later, without a restart", async () => {
    let up = false;
    const { url } = await serve((_, response) =>
      up ? response.end(JSON.stringify(keySetOf(first))) : response.writeHead(503).end(),
    );
    const authenticate = trustingUrl(url);
    await expectUnavailable(authenticate(bearer(signJwt(first)), peer));
    up = true;
    const recover = async () =>
      expect(await authenticate(bearer(signJwt(first)), peer)).toMatchObject({ subject: "alice" });
    await vi.waitFor(recover, { timeout: 5000 });
  });
});
