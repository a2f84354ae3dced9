import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bag } from "../../src/wire/bag.ts";

describe("a bag", () => {
  it("has what was put in and not taken out", () => {
    const operations = fc.array(fc.record({ puts: fc.boolean(), which: fc.nat(9) }));
    fc.assert(
      fc.property(operations, (steps) => {
        const things = Array.from({ length: 10 }, (_, name) => ({ name, place: -1 }));
        const bag = new Bag<(typeof things)[0]>();
        const expected = new Set<number>();
        for (const { puts, which } of steps) {
          const thing = things[which];
          if (!thing || (puts && expected.has(which))) continue;
          if (puts) bag.add(thing);
          else bag.delete(thing);
          expected[puts ? "add" : "delete"](which);
          expect(new Set(bag.all().map(({ name }) => name))).toEqual(expected);
          expect(bag.all()).toHaveLength(expected.size);
        }
      }),
    );
  });

  it("may change while one looks through it", () => {
    const bag = new Bag<{ place: number }>();
    for (let count = 0; count < 3; count++) bag.add({ place: -1 });
    for (const thing of bag.all()) bag.delete(thing);
    expect(bag.all()).toEqual([]);
  });

  it("leaves nothing of what has come and gone where V8 collects seldom, as a Map does", () => {
    const bag = new Bag<{ place: number }>();
    const map = new Map<number, object>();
    const things: { place: number }[] = [];
    const inBag = (count: number) => {
      const old = things[count % 16];
      if (old) bag.delete(old);
      const thing = { place: -1, more: new Array(20).fill(count) };
      things[count % 16] = thing;
      bag.add(thing);
    };
    const inMap = (count: number) => {
      map.delete(count - 16);
      map.set(count, { place: -1, more: new Array(20).fill(count) });
    };
    expect(oldGrowth(inBag)).toBeLessThan(0.1 * oldGrowth(inMap));
  });
});

/** How many bytes the old generation grows by, with so many steps. */
function oldGrowth(step: (count: number) => void): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let count = 0; count < 1000; count++) step(count);
  collect();
  const before = oldBytes();
  let most = before;
  for (let count = 1000; count < 300_000; count++) {
    step(count);
    if (count % 1000 === 0) most = Math.max(most, oldBytes());
  }
  return most - before;
}

function oldBytes(): number {
  const spaces = getHeapSpaceStatistics().filter(({ space_name }) => space_name === "old_space");
  return spaces.reduce((sum, { space_used_size }) => sum + space_used_size, 0);
}
