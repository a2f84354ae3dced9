import { apiKey } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import type { Redis } from "ioredis";

/**
 * better-auth with API keys in Redis alone, which its documentation names the mode for high performance. Uses are noted in the
 * background for the same reason. Its rate limit of ten uses a day would refuse the calls, so it is off.
 */
export function createAuth(redis: Redis) {
  return betterAuth({
    baseURL: "http://127.0.0.1",
    secret: "the-secret-of-the-bench-that-nobody-needs-to-keep-0123456789",
    logger: { disabled: true },
    telemetry: { enabled: false },
    secondaryStorage: {
      get: (key) => redis.get(key),
      async set(key, value, ttl) {
        await (ttl ? redis.set(key, value, "EX", ttl) : redis.set(key, value));
      },
      async delete(key) {
        await redis.del(key);
      },
      getAndDelete: (key) => redis.getdel(key),
      async increment(key, ttl) {
        const count = await redis.incr(key);
        if (count === 1) await redis.expire(key, ttl);
        return count;
      },
    },
    plugins: [apiKey({ storage: "secondary-storage", deferUpdates: true, rateLimit: { enabled: false } })],
    advanced: {
      backgroundTasks: {
        handler(task) {
          task.catch(() => {});
        },
      },
    },
  });
}
