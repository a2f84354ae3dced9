import type { Redis } from "ioredis";

/**
 * What oidc-provider asks of a store, on Redis, after the example of its documentation: JSON texts with a TTL, and for each grant
 * the list of what goes with it. What is not part of issuing and introspecting is left out.
 */
export function createRedisAdapter(redis: Redis) {
  return class RedisAdapter {
    readonly #name: string;

    constructor(name: string) {
      this.#name = name;
    }

    async upsert(id: string, payload: { grantId?: string }, expiresIn: number): Promise<void> {
      const multi = redis.multi().set(this.#key(id), JSON.stringify(payload), "EX", expiresIn);
      if (payload.grantId) multi.rpush(`oidc:grant:${payload.grantId}`, this.#key(id));
      await multi.exec();
    }

    async find(id: string): Promise<object | undefined> {
      const text = await redis.get(this.#key(id));
      return text === null ? undefined : JSON.parse(text);
    }

    async destroy(id: string): Promise<void> {
      await redis.del(this.#key(id));
    }

    #key(id: string): string {
      return `oidc:${this.#name}:${id}`;
    }
  };
}
