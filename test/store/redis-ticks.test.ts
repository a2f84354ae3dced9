import { expect, test } from "vitest";
import { slotOf } from "../../src/store/redis-slots.ts";
import { TickKeys } from "../../src/store/redis-ticks.ts";

test("a node is ticked in two of its slots, and in that of the last step", () => {
  const ticks = new TickKeys();
  ticks.ranges = [[0, 5460]];
  const own = ticks.all.map(slotOf);
  expect(own).toHaveLength(2);
  for (const slot of own) expect(slot).toBeLessThanOrEqual(5460);
  ticks.follow("lk:t:{abc}:1");
  expect(ticks.all.map(slotOf)).toEqual([...own, slotOf("abc")]);
});

test("a node whose slots went to another is ticked in them no more", () => {
  const ticks = new TickKeys();
  ticks.ranges = [[0, 5460]];
  ticks.ranges = [[5461, 16_383]];
  expect(ticks.all).toHaveLength(2);
  for (const key of ticks.all) expect(slotOf(key)).toBeGreaterThan(5460);
  ticks.ranges = [];
  expect(ticks.all).toEqual([]);
});

test("a slot of its only one is found by and by, and none is looked for where there are none", () => {
  const ticks = new TickKeys();
  let rounds = 0;
  while (ticks.all.length === 0 && rounds < 1000) {
    ticks.ranges = [[7000, 7000]];
    rounds++;
  }
  expect(ticks.all.map(slotOf)).toEqual([7000]);
  // The names that are tried at once are few: nobody waits for them.
  const idle = new TickKeys();
  const begun = performance.now();
  for (let n = 0; n < 1000; n++) idle.ranges = [];
  expect(performance.now() - begun).toBeLessThan(100);
});
