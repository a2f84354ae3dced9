import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openRedisStore } from "../../src/store/redis.ts";
import type { Change, TokenStore } from "../../src/store/token-store.ts";
import { type Topology, topologies } from "../support/topologies.ts";
import { waitUntil } from "../support/wait.ts";
import { insertToken, newOwner } from "./tokens.ts";

const LISTENERS = 3;
/** Within so many milliseconds a connection that has gone silent is known to be lost: a check, and the wait for its answer. */
const NOTICED = 2500;

describe.each(topologies)("on %s, every listener is told to forget all", { timeout: 60_000 }, (_name, start) => {
  let topology: Topology;
  let store: TokenStore;
  /** Makes changes past all that happens to the other's connections. */
  let other: TokenStore;
  beforeAll(async () => {
    topology = await start();
    store = await openRedisStore({ url: topology.url });
    other = await openRedisStore({ url: topology.url });
  }, 90_000);
  afterAll(async () => {
    await Promise.all([store, other].map((opened) => opened?.close()));
    await topology?.stop();
  });

  const losses: [what: string, lose: () => unknown, undo: () => unknown][] = [
    ["the subscriptions are killed", () => topology.killSubscriptions(), () => {}],
    ["all connections are cut", () => topology.proxies.forEach(({ cut }) => void cut()), () => {}],
    [
      "nothing arrives any more",
      () => topology.proxies.forEach(({ hold }) => void hold()),
      () => topology.proxies.forEach(({ release, cut }) => void [release(), cut()]),
    ],
  ];
  test.each(losses)("when %s, and hears of changes again afterwards", async (_what, lose, undo) => {
    const heard: Change[][] = Array.from({ length: LISTENERS }, () => []);
    const stops = heard.map((changes) => store.subscribe((change) => changes.push(change)));
    const resetsOf = (changes: Change[]) => changes.filter(({ type }) => type === "reset").length;
    const lost = performance.now();
    await lose();
    await waitUntil("all are told of the loss", async () => heard.every((changes) => resetsOf(changes) > 0));
    expect(performance.now() - lost).toBeLessThan(NOTICED);
    undo();
    const made = new Set<string>();
    const isOfOne = (change: Change) => change.type !== "reset" && made.has(change.id);
    await waitUntil("all are told of a change", async () => {
      made.add((await insertToken(other, newOwner())).id);
      return heard.every((changes) => changes.some(isOfOne));
    });
    // Before the subscription was there again they may have read what was changed since.
    await waitUntil("all are told of the return", async () => heard.every((changes) => resetsOf(changes) > 1));
    for (const stop of stops) stop();
  });
});
