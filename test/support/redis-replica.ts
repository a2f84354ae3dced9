import { type RedisServer, startRedis } from "./redis-server.ts";

/** One of the first writes after a replica has come is confirmed by its cron alone, which runs once a second. */
const QUICK = 500;
const START_TIMEOUT = 15_000;

/** Starts a replica of a Redis server. Resolves when it confirms writes as they come. */
export async function startReplica(master: RedisServer): Promise<RedisServer> {
  const replica = await startRedis();
  await replica.admin.replicaof("127.0.0.1", master.port);
  const start = performance.now();
  for (let quick = 0; performance.now() - start < START_TIMEOUT; ) {
    const asked = performance.now();
    await master.admin.set("written", "");
    const count = await master.admin.wait(1, START_TIMEOUT);
    quick = count === 1 && performance.now() - asked < QUICK ? quick + 1 : 0;
    if (quick === 2) return replica;
  }
  await replica.stop();
  throw new Error("the replica did not follow");
}
