import { setTimeout } from "node:timers/promises";
import { systemClock } from "../domain/clock.ts";
import type { TokenError } from "../errors.ts";
import type { ChangeFeed } from "./change-feed.ts";
import { subscribeToChanges } from "./redis-changes.ts";
import { checkClockSkew, inspectRedis, notInspected } from "./redis-checks.ts";
import { RedisClock } from "./redis-clock.ts";
import { checkClusterState } from "./redis-cluster-map.ts";
import { ClusterMembers } from "./redis-cluster-members.ts";
import type { ClusterNode, Manner, Outcome, Step } from "./redis-cluster-node.ts";
import { CHECK_INTERVAL, GRACE, type RedisConnection } from "./redis-connection.ts";
import { Crowd } from "./redis-crowd.ts";
import { DataClaim } from "./redis-data-claim.ts";
import { causeOf, unavailable } from "./redis-errors.ts";
import { META_KEY } from "./redis-keys.ts";
import type { ClusterLocation } from "./redis-location.ts";
import type { NodesOptions, RedisNodes, RedisReads } from "./redis-nodes.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";
import { slotOf } from "./redis-slots.ts";
import type { Weakness } from "./token-store.ts";

/** How long a step may take, with all that nodes refuse meanwhile, in milliseconds. */
const DEADLINE = 1500;
/** How long to wait before a node is asked again that has refused, in milliseconds. */
const PAUSE = 25;
/** After how many nodes that sent us on we wait before we follow another one: they don't agree yet. */
const HOPS = 5;

type Run<T> = (client: ScriptedRedis) => Promise<T>;

/**
 * Connects to the masters of a cluster.
 *
 * @throws STORE_UNAVAILABLE if it does not serve us.
 */
export async function openClusterNodes(location: ClusterLocation, options: NodesOptions): Promise<RedisNodes> {
  const cluster = new ClusterNodes(new ClusterMembers(location, options), options);
  try {
    await cluster.open();
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

/** Takes each step to the master that serves its slot, and follows where nodes send us on. */
class ClusterNodes implements RedisNodes {
  readonly reads: RedisReads = this.#readsIn("read");
  readonly settled: RedisReads;
  readonly #members: ClusterMembers;
  readonly #options: NodesOptions;
  readonly #crowd = new Crowd();
  readonly #data = new DataClaim();
  readonly #clock = new RedisClock();
  #timer: NodeJS.Timeout | undefined;
  #subscription: { connection: RedisConnection; feed: ChangeFeed } | undefined;

  constructor(members: ClusterMembers, options: NodesOptions) {
    this.#members = members;
    this.#options = options;
    this.settled = options.durability ? this.#readsIn("settle") : this.reads;
  }

  async open(): Promise<void> {
    await this.#members.open();
    await this.#claim();
    this.#timer = setInterval(() => void this.#claim().catch(() => {}), CHECK_INTERVAL).unref();
    this.#subscription = await subscribeToChanges({
      outages: this.#options.outages,
      location: { ...this.#members.access, ...this.#anyAddress() },
      next: () => this.#anyAddress(),
      claim: (client) => this.#claimSubscriber(client),
    });
  }

  get shardKey(): Buffer {
    return this.#data.shardKey;
  }

  get clock() {
    return this.#clock.now;
  }

  get feed(): ChangeFeed {
    if (!this.#subscription) throw new Error("the cluster is not open");
    return this.#subscription.feed;
  }

  write<T>(key: string, run: Run<T>): Promise<T> {
    return this.#run({ manner: "settle", key, run });
  }

  note<T>(key: string, run: Run<T>): Promise<T> {
    return this.#run({ manner: "note", key, run });
  }

  group<T>(items: Iterable<T>, keyOf: (item: T) => string): Iterable<T[]> {
    return Map.groupBy(items, (item) => slotOf(keyOf(item))).values();
  }

  async inspect(): Promise<Weakness[]> {
    const { durability } = this.#options;
    const found = this.#members.masters.map(async ({ address, writer }) => {
      const inspect = (client: ScriptedRedis) =>
        inspectRedis(client, { durability, lead: writer.clock.now() - systemClock() });
      // One shard that is lost keeps nobody from serving the others.
      const weaknesses = await writer.use(inspect).catch(() => [notInspected()]);
      return weaknesses.map((weakness) => ({
        ...weakness,
        description: `${address.host}:${address.port}: ${weakness.description}`,
      }));
    });
    return [...(await Promise.all(found)).flat(), ...checkClockSkew(this.#members.clockSkew)];
  }

  async ping(): Promise<void> {
    await Promise.all([this.#claim(), this.reads.read(META_KEY, (client) => client.exists(META_KEY))]);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#subscription?.feed.close();
    this.#options.outages.close();
    await Promise.all([this.#members.close(), this.#subscription?.connection.close()]);
  }

  async #claim(): Promise<void> {
    const { outages } = this.#options;
    const run = (client: ScriptedRedis) => this.#data.claim(client);
    try {
      await this.#clock.learn(() => this.#carryOut({ manner: "note", key: META_KEY, run }));
      outages.regain(this.#data);
    } catch (error) {
      // All else is told where it happens.
      if (this.#data.isReplaced) outages.lose(this.#data, causeOf(error));
      throw error;
    }
  }

  #readsIn(manner: Manner): RedisReads {
    const read: RedisReads["read"] = (key, run) => this.#run({ manner, key, run });
    const get = (key: string) => read(key, (client) => client.getBuffer(key));
    return { read, get, getMany: (keys) => Promise.all(keys.map(get)) };
  }

  /** Messages reach every node, but one that is cut off from most others would be silent. */
  async #claimSubscriber(client: ScriptedRedis): Promise<number> {
    const [id, [seconds]] = await Promise.all([client.cluster("MYID"), client.time(), checkClusterState(client)]);
    if (!this.#members.includes(id)) throw new Error("a node of another cluster has come to this address");
    return Number(seconds) * 1000;
  }

  #anyAddress() {
    const masters = this.#members.masters;
    const serving = masters.filter((node) => node.serves);
    const choice = serving.length > 0 ? serving : masters;
    const node = choice[Math.floor(Math.random() * choice.length)];
    if (!node) throw clusterFails("no master is known");
    return node.address;
  }

  async #run<T>(step: Step<T>): Promise<T> {
    if (this.#data.isReplaced) throw clusterFails("the data was replaced: restart Latchkey");
    return this.#crowd.admit(1, () => this.#carryOut(step));
  }

  async #carryOut<T>(step: Step<T>): Promise<T> {
    const slot = slotOf(step.key);
    const start = performance.now();
    let node = this.#members.holder(slot);
    let isAsking = false;
    for (let hops = 0; ; hops++) {
      const trying: Promise<Outcome<T>> | undefined = node?.run(step, isAsking);
      // The first attempt has bounds of its own.
      const outcome = await (hops === 0 ? trying : trying && within(start + DEADLINE - performance.now(), trying));
      if (outcome && "value" in outcome) return outcome.value;
      if (performance.now() - start > DEADLINE - PAUSE) throw clusterFails(`slot ${slot} is not served in time`);
      ({ node, isAsking } = await this.#goOn(slot, { node, isAsking, hops, start }, outcome));
    }
  }

  /** Where to go after a step was not carried out. */
  async #goOn(
    slot: number,
    last: { node: ClusterNode | undefined; isAsking: boolean; hops: number; start: number },
    outcome: Exclude<Outcome<unknown>, { value: unknown }> | undefined,
  ): Promise<{ node: ClusterNode | undefined; isAsking: boolean }> {
    const members = this.#members;
    if (outcome && "unsent" in outcome) {
      // It does not serve us. Perhaps another one has taken over.
      await this.#refresh();
      const node = members.holder(slot);
      if (node !== last.node || last.isAsking) return { node, isAsking: false };
      // One that says itself that it is a replica has handed over: the others hear of it in a moment.
      if (!causeOf(outcome.unsent).message.includes("READONLY")) throw outcome.unsent;
      await setTimeout(PAUSE);
      return { node: members.holder(slot), isAsking: false };
    }
    switch (outcome?.refusal) {
      case "moved":
        if (last.hops >= HOPS) await setTimeout(PAUSE);
        return { node: members.move(slot, outcome.address), isAsking: false };
      case "ask":
        if (last.hops >= HOPS) await setTimeout(PAUSE);
        return { node: members.at(outcome.address), isAsking: true };
      case "again":
        await setTimeout(PAUSE);
        return { node: members.holder(slot), isAsking: false };
      default:
        // Calls must not gather while nothing serves them.
        if (performance.now() - last.start > GRACE) throw clusterFails(`the cluster does not serve slot ${slot}`);
        await Promise.all([this.#refresh(), setTimeout(PAUSE)]);
        return { node: members.holder(slot), isAsking: false };
    }
  }

  /** For a moment at most. */
  async #refresh(): Promise<void> {
    await Promise.race([this.#members.refresh().catch(() => {}), setTimeout(GRACE)]);
  }
}

async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = setTimeout(Math.max(milliseconds, 0), undefined, over).then(() => {
    throw clusterFails("no answer in time");
  });
  late.catch(() => {});
  return Promise.race([promise, late]).finally(() => over.abort());
}

function clusterFails(problem: string): TokenError {
  return unavailable(new Error(`Redis Cluster: ${problem}`));
}
