import { expect, it, onTestFinished } from "vitest";
import { RedisConnection } from "../../src/store/redis-connection.ts";
import { startRedis } from "../support/redis-server.ts";

async function open(): Promise<RedisConnection> {
  const server = await startRedis();
  onTestFinished(() => server.stop());
  const { hostname, port } = new URL(server.url);
  const connection = new RedisConnection({
    location: { host: hostname, port: Number(port) },
    claim: async () => Date.now(),
  });
  onTestFinished(() => connection.close());
  await connection.open();
  return connection;
}

it("sends in one go what is asked for in one turn of the event loop", async () => {
  const connection = await open();
  const unsent: number[] = [];
  const work = [1, 2, 3].map(() =>
    connection.use((client) => {
      const answer = client.ping();
      unsent.push(client.stream.writableLength);
      return answer;
    }),
  );
  expect(await Promise.all(work)).toEqual(["PONG", "PONG", "PONG"]);
  const [size = 0] = unsent;
  expect(size).toBeGreaterThan(0);
  expect(unsent).toEqual([size, 2 * size, 3 * size]);
  expect(connection.client.stream.writableCorked).toBe(0);
});

it("goes on sending after work that threw, and after work that lost the connection before anything was sent", async () => {
  const connection = await open();
  const thrown = new Error("thrown before anything was asked for");
  const throwing = connection.use(() => {
    throw thrown;
  });
  await expect(throwing).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
  expect(await connection.use((client) => client.ping())).toBe("PONG");
  const losing = connection.use((client) => {
    const answer = client.ping();
    client.stream.destroy();
    return answer;
  });
  await expect(losing).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
  expect(await connection.use((client) => client.ping())).toBe("PONG");
});
