import { expect, onTestFinished, test } from "vitest";
import { openRedisStore } from "../../src/store/redis.ts";
import { RedisClock } from "../../src/store/redis-clock.ts";
import { startRedis } from "../support/redis-server.ts";

/** A clock that follows a server, in a world that stands still until something takes time. */
function follow(ahead: number) {
  const world = { here: 1000.5, ahead };
  const clock = new RedisClock(() => world.here);
  const tell = (there = 0, back = 0) =>
    clock.learn(async () => {
      world.here += there;
      const time = Math.floor(world.here + world.ahead);
      world.here += back;
      return time;
    });
  const error = () => clock.now() - Math.floor(world.here + world.ahead);
  return { world, clock, tell, error };
}

test("has no time before the server has told it", () => {
  expect(() => follow(0).clock.now()).toThrow("the server's time is not known yet");
});

test("has the server's time, however far the two are apart", async () => {
  for (const ahead of [0, 300_000, -300_000, 1.8e12, 0.25]) {
    const { tell, error } = follow(ahead);
    await tell();
    expect(Math.abs(error())).toBeLessThanOrEqual(1);
  }
});

test("goes on by itself between two tellings", async () => {
  const { world, clock, tell, error } = follow(5000);
  await tell();
  const before = clock.now();
  world.here += 700;
  expect(clock.now()).toBe(before + 700);
  expect(Math.abs(error())).toBeLessThanOrEqual(1);
});

test("is off by half of a slow first answer at most, and less as soon as a quick one comes", async () => {
  const { tell, error } = follow(5000);
  await tell(0, 400);
  expect(Math.abs(error())).toBeLessThanOrEqual(201);
  await tell(1, 1);
  expect(Math.abs(error())).toBeLessThanOrEqual(2);
});

test("does not jump for an answer that is slow on one of its ways", async () => {
  const { tell, error } = follow(5000);
  await tell();
  for (const [there, back] of [
    [400, 0],
    [0, 400],
    [200, 200],
  ] as const) {
    await tell(there, back);
    expect(Math.abs(error())).toBeLessThanOrEqual(1);
  }
});

test("follows a server whose clock leaps, drifts, or is another one's after a failover", async () => {
  const { world, tell, error } = follow(5000);
  await tell();
  for (const step of [300_000, -600_000, 3, 0.4]) {
    world.ahead += step;
    await tell(0.2, 0.2);
    expect(Math.abs(error())).toBeLessThanOrEqual(1);
  }
});

test("stands still, rather than go back, where a server takes over whose clock is a little behind", async () => {
  const { world, clock, tell, error } = follow(5000);
  await tell();
  const before = clock.now();
  world.ahead -= 4000;
  await tell();
  expect(clock.now()).toBe(before);
  world.here += 3000;
  expect(clock.now()).toBe(before);
  world.here += 2000;
  expect(Math.abs(error())).toBeLessThanOrEqual(1);
  expect(clock.now()).toBeGreaterThan(before);
});

test("keeps its time where the server does not answer", async () => {
  const { clock, tell, error } = follow(5000);
  await tell();
  const lost = new Error("lost");
  await expect(clock.learn(() => Promise.reject(lost))).rejects.toBe(lost);
  expect(Math.abs(error())).toBeLessThanOrEqual(1);
});

test("is the clock of a store on Redis", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const store = await openRedisStore({ url: redis.url });
  onTestFinished(() => store.close());
  const before = store.clock();
  const [seconds, microseconds] = await redis.admin.time();
  const time = Number(seconds) * 1000 + Number(microseconds) / 1000;
  expect(time).toBeGreaterThan(before - 50);
  expect(time).toBeLessThan(store.clock() + 50);
});
