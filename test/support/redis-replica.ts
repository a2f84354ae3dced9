import { type RedisServer, startRedis } from "./redis-server.ts";

/** Starts a replica of a Redis server. Resolves when it has confirmed a write. */
export async function startReplica(master: RedisServer): Promise<RedisServer> {
  const replica = await startRedis();
  await replica.admin.replicaof("127.0.0.1", master.port);
  await master.admin.set("written", "");
  if ((await master.admin.wait(1, 15_000)) === 1) return replica;
  await replica.stop();
  throw new Error("the replica did not follow");
}
