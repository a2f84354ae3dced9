import { expect, test } from "vitest";
import { inOrder } from "../../src/import/in-order.ts";

async function* count(most = Number.POSITIVE_INFINITY, onEnd = () => {}) {
  try {
    for (let n = 0; n < most; n++) yield n;
  } finally {
    onEnd();
  }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Work that ends when it is told to. */
function controlled() {
  const works: PromiseWithResolvers<string>[] = [];
  const work = (n: number) => {
    works[n] = Promise.withResolvers();
    return works[n].promise;
  };
  return { works, work };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("results come in the order of the items, whichever is ready first", async () => {
  const { works, work } = controlled();
  const all = collect(inOrder(count(3), 3, work));
  await turn();
  for (const n of [2, 0, 1]) {
    works[n]?.resolve(`result ${n}`);
    await turn();
  }
  expect(await all).toEqual([0, 1, 2].map((n) => [n, `result ${n}`]));
});

test("no more than the limit are worked on at once", async () => {
  let [underWay, most] = [0, 0];
  const work = async () => {
    most = Math.max(most, ++underWay);
    await turn();
    underWay--;
  };
  expect(await collect(inOrder(count(50), 7, work))).toHaveLength(50);
  expect(most).toBe(7);
});

test("after a failure come the results before it, then the failure, once nothing is worked on any more", async () => {
  const { works, work } = controlled();
  const seen: unknown[] = [];
  let ended = false;
  let failed = false;
  const run = async () => {
    for await (const [, result] of inOrder(
      count(Number.POSITIVE_INFINITY, () => (ended = true)),
      3,
      work,
    ))
      seen.push(result);
  };
  const outcome = run().catch((error) => {
    failed = true;
    return error;
  });
  await turn();
  works[1]?.reject(new Error("no"));
  works[0]?.resolve("first");
  await turn();
  expect(seen).toEqual(["first"]);
  expect([works.length, ended, failed]).toEqual([4, true, false]);
  works[2]?.resolve("too late");
  works[3]?.reject(new Error("also no"));
  expect(await outcome).toEqual(new Error("no"));
  expect(seen).toEqual(["first"]);
});

test("when nobody asks for more, no more is begun, and what was begun is waited for", async () => {
  const { works, work } = controlled();
  let ended = false;
  const results = inOrder(
    count(Number.POSITIVE_INFINITY, () => (ended = true)),
    2,
    work,
  );
  const first = results.next();
  await turn();
  works[0]?.resolve("first");
  expect((await first).value).toEqual([0, "first"]);
  const closed = results.return(undefined).then(() => "closed");
  expect(await Promise.race([closed, turn().then(() => "waits")])).toBe("waits");
  works[1]?.resolve("second");
  expect(await closed).toBe("closed");
  expect([works.length, ended]).toEqual([2, true]);
});
