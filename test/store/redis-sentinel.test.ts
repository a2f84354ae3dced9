import { afterAll, beforeAll } from "vitest";
import { openRedisStore } from "../../src/store/redis.ts";
import { type RedisSentinels, startRedisSentinels } from "../support/redis-sentinel.ts";
import { describeTokenStore } from "./contract.ts";

let sentinels: RedisSentinels;
beforeAll(async () => {
  sentinels = await startRedisSentinels();
}, 60_000);
afterAll(() => sentinels.stop());

// Its own writes it tells at once, and again when the news of them comes back.
describeTokenStore("the store on a Redis with sentinels", () => openRedisStore({ url: sentinels.url }), 2);
