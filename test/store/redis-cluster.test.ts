import { afterAll, beforeAll } from "vitest";
import { openRedisStore } from "../../src/store/redis.ts";
import { type RedisCluster, startRedisCluster } from "../support/redis-cluster.ts";
import { describeTokenStore } from "./contract.ts";

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startRedisCluster();
}, 60_000);
afterAll(() => cluster.stop());

// Its own writes it tells at once, and again when the news of them comes back.
describeTokenStore("the store on a Redis Cluster", () => openRedisStore({ url: cluster.url }), 2);
