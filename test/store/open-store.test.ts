import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/domain/clock.ts";
import { openStore } from "../../src/store/open-store.ts";
import { parseRedisUrl } from "../../src/store/redis-location.ts";
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
        message: "a store's location is sqlite:<path>, redis://… or rediss://…",
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

  it("of another form is refused, without repeating it", () => {
    for (const url of [
      "redis://",
      "redis://h/x",
      "redis://h/1/2",
      "redis://h?db=1",
      "redis://:%ZZsecret@h",
      "redis://h:99999",
    ]) {
      expect(() => parseRedisUrl(url)).toThrow(
        expect.objectContaining({
          reason: "INVALID_REQUEST",
          message: "a Redis location is redis[s]://[user[:password]@]host[:port][/database]",
        }),
      );
    }
  });
});
