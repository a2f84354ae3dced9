import { expect, test } from "vitest";
import { Turns } from "../../src/store/redis-turns.ts";

test("work is done one after the other, also after some that failed", async () => {
  const turns = new Turns(3);
  const log: string[] = [];
  const work = (name: string, isGood = true) =>
    turns.take(async () => {
      log.push(`${name} begins`);
      await new Promise(setImmediate);
      log.push(`${name} ends`);
      if (!isGood) throw new Error(name);
      return name;
    });
  const outcomes = await Promise.allSettled([work("a"), work("b", false), work("c")]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(log).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  expect(await work("d")).toBe("d");
});

test("more than may be there at once are refused at once, and not done", async () => {
  const turns = new Turns(2);
  const gate = Promise.withResolvers<void>();
  const waiting = [turns.take(() => gate.promise), turns.take(() => gate.promise)];
  let isDone = false;
  const late = turns.take(async () => {
    isDone = true;
  });
  await expect(late).rejects.toMatchObject({
    reason: "STORE_UNAVAILABLE",
    retryDelay: 500,
    cause: { message: "2 others wait for their turn already" },
  });
  gate.resolve();
  await Promise.all(waiting);
  expect(isDone).toBe(false);
  await turns.take(async () => {});
});
