import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { byId } from "../support/service.ts";
import { type Topology, topologies } from "../support/topologies.ts";
import { type Fleet, startFleet } from "./fleet.ts";
import { measureRefusals, percentile, type Refusal } from "./let-in.ts";

// How long a token that was taken back through one process can go on to introspect through others. What is promised: as long as the
// news takes, and never longer than a second, whatever becomes of the news. The figures stand in docs/redis.md.

/** Milliseconds. */
const PROMISED = 1000;
const SERVICES = 2;
/** More of them make better figures: REVOCATION_ROUNDS=500. */
const ROUNDS = Number(process.env.REVOCATION_ROUNDS ?? 40);
const ROUNDS_CUT = 4;
const SUBJECT = "ada";
const LOST = "Unavailable STORE_UNAVAILABLE";

type Change = (root: Fleet["root"], id: string) => Promise<unknown>;

const remove: Change = (root, id) => root.delete({ token: byId(id) });
const switchOff: Change = (root, id) => root.setActive({ token: byId(id), active: false });
const rotate: Change = (root, id) => root.rotate({ token: byId(id) });
const removeAll: Change = (root) => root.deleteAll({ subject: SUBJECT });

describe.each(topologies)("on %s, a token that was taken back", { timeout: 120_000 }, (_name, start) => {
  let topology: Topology;
  let fleet: Fleet;
  beforeAll(async () => {
    topology = await start();
    fleet = await startFleet(topology.url, SERVICES);
  }, 90_000);
  afterAll(async () => {
    await fleet?.stop();
    await topology?.stop();
  });

  /** Takes new tokens back, one after the other; each time, something happens as soon as that is answered. */
  async function takeBack(rounds: number, change: Change, then?: () => Promise<unknown>): Promise<Refusal[]> {
    const refusals: Refusal[] = [];
    for (let round = 0; round < rounds; round++) {
      const { id, secret } = await vi.waitFor(issue, { timeout: 15_000, interval: 50 });
      const act = async () => {
        await change(fleet.root, id);
        void then?.();
      };
      refusals.push(...(await measureRefusals(fleet.places, secret, act, then && LOST)));
    }
    return refusals;
  }

  async function issue() {
    const wish = { kind: "service", subject: SUBJECT, scopes: ["latchkey:introspect"] };
    const { token, secret } = await fleet.root.create(wish);
    for (const { callWith } of fleet.places) expect(await callWith(secret)).toBe("ok");
    return { id: token?.id ?? "", secret };
  }

  test("is refused everywhere within milliseconds", async ({ annotate }) => {
    const refusals = await takeBack(ROUNDS, remove);
    for (const isSameService of [true, false]) {
      const here = refusals.filter((refusal) => refusal.isSameService === isSameService);
      const where = isSameService ? "another worker of the same service" : "the workers of another service";
      await annotate(`${where} | ${describeRefusals(here)}`);
      expect(letIn(here, 0.5)).toBeLessThan(PROMISED / 20);
      expect(letIn(here, 1)).toBeLessThan(PROMISED);
    }
    for (const change of [removeAll, switchOff, rotate]) {
      const others = await takeBack(10, change);
      expect(letIn(others, 0.5)).toBeLessThan(PROMISED / 20);
    }
  });

  // From here on, no news comes through.
  const cuts: [what: string, cut: (topology: Topology) => Promise<unknown>][] = [
    ["the subscriptions are killed", ({ killSubscriptions }) => killSubscriptions()],
    ["all connections are cut", async ({ proxies }) => proxies.forEach(({ cut }) => void cut())],
  ];
  test.for(cuts)("is refused as soon as the news is known to be lost: %s", async ([what, cut], { annotate }) => {
    for (const { dropMessages } of topology.proxies) dropMessages();
    const refusals = await takeBack(ROUNDS_CUT, remove, () => cut(topology));
    await annotate(`${what} | ${describeRefusals(refusals)}`);
    expect(letIn(refusals, 1)).toBeLessThan(PROMISED);
    expect(letIn(refusals, 0.5)).toBeLessThan(PROMISED / 2);
  });

  test("is refused within a second where nobody can tell that the news is lost", async ({ annotate }) => {
    for (const { dropMessages } of topology.proxies) dropMessages();
    const refusals = await takeBack(ROUNDS_CUT, remove);
    await annotate(`no news | ${describeRefusals(refusals)}`);
    // Else the news was not lost.
    expect(letIn(refusals, 0.5)).toBeGreaterThan(0);
    expect(letIn(refusals, 1)).toBeLessThan(PROMISED);
  });

  test("is refused within a second where subscriptions are lost and can't be had again", async ({ annotate }) => {
    for (const { swallowAnswersTo } of topology.proxies) swallowAnswersTo(/subscribe/i);
    await topology.killSubscriptions();
    const refusals = await takeBack(ROUNDS_CUT, remove);
    await annotate(`no subscription | ${describeRefusals(refusals)}`);
    expect(letIn(refusals, 1)).toBeLessThan(PROMISED);
  });
});

/** For how long after the answer the caller was let in, in milliseconds: the p-th part of them no longer than this. */
function letIn(refusals: readonly Refusal[], part: number): number {
  return percentile(
    refusals.map((refusal) => refusal.letIn),
    part,
  );
}

function describeRefusals(refusals: readonly Refusal[]): string {
  const columns = (["refused", "letIn"] as const).map((name) => {
    const values = refusals.map((refusal) => refusal[name]);
    return [0.5, 0.99, 1].map((part) => percentile(values, part).toFixed(1)).join(" / ");
  });
  return `refused after ${columns[0]} ms, let in for ${columns[1]} ms (p50 / p99 / worst of ${refusals.length})`;
}
