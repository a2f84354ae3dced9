import { afterAll, beforeAll } from "vitest";
import { openRedisStore } from "../../src/store/redis.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { describeTokenStore } from "./contract.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

describeTokenStore("the Redis store", () => openRedisStore({ url: server.url }));
