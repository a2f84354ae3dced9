import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/domain/clock.ts";
import { openStore } from "../../src/store/open-store.ts";
import { nameRedis, parseRedisUrl } from "../../src/store/redis-location.ts";
import { startRedis } from "../support/redis-server.ts";

const options = { clock: systemClock };

describe("a store's location", () => {
  it("names a SQLite file", async () => {
    const folder = mkdtempSync(join(tmpdir(), "latchkey-open-"));
    const store = await openStore(`sqlite:${folder}/latchkey.db`, options);
    await store.ping();
    await store.close();
    rmSync(folder, { recursive: true });
  });

  it("names a Redis server", async () => {
    const server = await startRedis();
    const store = await openStore(server.url, options);
    await store.ping();
    await store.close();
    await server.stop();
  });

  it("of another scheme is refused, without repeating it", async () => {
    for (const location of ["postgres://u:secret@h/db", "http://secret", "data/secret.db", ""]) {
      const error = await openStore(location, options).catch((error: unknown) => error);
      expect(error).toMatchObject({
        reason: "INVALID_REQUEST",
        message:
          "a store's location is sqlite:<path>, redis[s]://<host>/<db>, redis[s]+sentinel://<hosts>/<master>/<db> or redis[s]+cluster://<hosts>",
      });
    }
  });
});

describe("a Redis URL", () => {
  it("has a port and a database by default", () => {
    expect(parseRedisUrl("redis://host").location).toEqual({ host: "host", port: 6379, db: 0 });
  });

  it("holds user and password percent-encoded", () => {
    expect(parseRedisUrl("redis://us%3Aer:p%40s%2Fs@[::1]:1/2").location).toEqual({
      host: "::1",
      port: 1,
      db: 2,
      username: "us:er",
      password: "p@s/s",
    });
  });

  it("of the scheme rediss uses TLS", () => {
    expect(parseRedisUrl("rediss://host", { ca: "PEM" }).location).toHaveProperty("tls", { ca: "PEM" });
    expect(parseRedisUrl("redis://host", { ca: "PEM" }).location).not.toHaveProperty("tls");
  });

  it.each([
    ["server", "redis[s]://[user[:password]@]host[:port][/database]"],
    ["cluster", "redis[s]+cluster://[user[:password]@]host[:port][,host[:port]…]"],
    [
      "sentinel",
      "redis[s]+sentinel://[user[:password]@]host[:port][,host[:port]…]/master[/database]" +
        "[?sentinel_username=…&sentinel_password=…]",
    ],
  ] as const)("of another form is refused, without repeating it: %s", (type, form) => {
    for (const url of MALFORMED[type]) {
      expect(() => parseRedisUrl(url), url).toThrow(
        expect.objectContaining({ reason: "INVALID_REQUEST", message: expect.stringMatching(/^a (Redis )?location/) }),
      );
      expect(() => parseRedisUrl(url), url).toThrow(
        expect.objectContaining({ message: expect.stringContaining(` is ${form}`) }),
      );
    }
  });
});

const MALFORMED = {
  server: ["redis://", "redis://h/x", "redis://h/1/2", "redis://h?db=1", "redis://:%ZZsecret@h", "redis://h:99999"],
  cluster: [
    "redis+cluster://",
    "redis+cluster://h1,",
    "redis+cluster://h1,,h2",
    "redis+cluster://h1/1",
    "redis+cluster://h1:x,h2",
    "redis+cluster://h1:99999",
    "redis+cluster://h1:,h2",
    "redis+cluster://a@b@h1",
    "redis+cluster://:%ZZsecret@h1",
    "redis+cluster://h1?sentinel_password=secret",
    "redis+cluster://h1#secret",
  ],
  sentinel: [
    "redis+sentinel://h1",
    "redis+sentinel://h1/",
    "redis+sentinel:///main",
    "redis+sentinel://h1/main/x",
    "redis+sentinel://h1/main/1/2",
    "redis+sentinel://h1/%ZZ",
    "redis+sentinel://h1,/main",
    "redis+sentinel://h1/main?password=secret",
    "redis+sentinel://h1/main?sentinel_username=secret",
    "redis+sentinel://a:b:c@h1/main",
  ],
};

describe("what is shown of a Redis URL", () => {
  it.each([
    ["redis://u:secret@h/1", "h:6379"],
    ["rediss://:secret@[::1]:7000", "[::1]:7000"],
    ["redis+cluster://u:secret@h1,h2:7000", "the cluster of h1:6379, h2:7000"],
    ["redis+sentinel://:secret@h1,h2:7000/main?sentinel_password=secret", "main of the sentinels h1:26379, h2:7000"],
  ])("of %s is no secret", (url, name) => expect(nameRedis(url)).toBe(name));
});

describe("a URL of several hosts", () => {
  it("names nodes of a cluster, with a port by default", () => {
    expect(parseRedisUrl("redis+cluster://h1,[::1]:7000,10.0.0.1:7001")).toEqual({
      type: "cluster",
      location: {
        seeds: [
          { host: "h1", port: 6379 },
          { host: "::1", port: 7000 },
          { host: "10.0.0.1", port: 7001 },
        ],
        access: {},
      },
    });
    expect(parseRedisUrl("rediss+cluster://us%3Aer:p%40s%2Fs@h1/", { ca: "PEM" })).toMatchObject({
      location: { access: { username: "us:er", password: "p@s/s", tls: { ca: "PEM" } } },
    });
  });

  it("names sentinels, their master, and how to sign in at each", () => {
    expect(parseRedisUrl("redis+sentinel://h1,h2:7000/main")).toEqual({
      type: "sentinel",
      location: {
        sentinels: [
          { host: "h1", port: 26379 },
          { host: "h2", port: 7000 },
        ],
        name: "main",
        db: 0,
      },
    });
    const query = "sentinel_username=watch&sentinel_password=a%26b%2Bc";
    expect(parseRedisUrl(`rediss+sentinel://:p%40s@h1/ma%20in/2?${query}`, { ca: "PEM" })).toMatchObject({
      location: {
        name: "ma in",
        db: 2,
        password: "p@s",
        sentinelUsername: "watch",
        sentinelPassword: "a&b+c",
        tls: { ca: "PEM" },
        sentinelTLS: { ca: "PEM" },
        enableTLSForSentinelMode: true,
      },
    });
  });
});
