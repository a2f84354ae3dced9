import { setTimeout } from "node:timers/promises";
import { type ClusterMap, readClusterMap } from "./redis-cluster-map.ts";
import { ClusterNode } from "./redis-cluster-node.ts";
import { OPEN_TIMEOUT, RedisConnection } from "./redis-connection.ts";
import { causeOf, unavailable } from "./redis-errors.ts";
import type { Address, ClusterLocation, RedisAccess } from "./redis-location.ts";
import type { NodesOptions } from "./redis-nodes.ts";
import { SLOTS, type SlotRange } from "./redis-slots.ts";

/** How often it is seen to who serves what, in milliseconds: while all is well, and while something is not. */
const INTERVAL = 2000;
const UNREST_INTERVAL = 250;
/** How many nodes are asked at once, and how long the others may take after the first one has answered, in milliseconds. */
const ASKED = 3;
const PATIENCE = 100;
/** How long a node is kept that is no master any more, in milliseconds: a node that is behind may send us back there. */
const RETIREMENT = 10_000;

/** The masters of a cluster, and which of them serves which slot: as the nodes themselves tell, again and again. */
export class ClusterMembers {
  readonly #location: ClusterLocation;
  readonly #options: NodesOptions;
  readonly #nodes = new Map<string, ClusterNode>();
  readonly #timer: NodeJS.Timeout;
  #slots: (ClusterNode | undefined)[] = [];
  #map: ClusterMap = { epoch: 0, masters: [], replicas: [] };
  #refreshing: Promise<void> | undefined;
  #refreshedAt = Number.NEGATIVE_INFINITY;
  #isUnsettled = false;
  #isClosed = false;

  constructor(location: ClusterLocation, options: NodesOptions) {
    this.#location = location;
    this.#options = options;
    this.#timer = setInterval(() => this.#watch(), UNREST_INTERVAL).unref();
  }

  /**
   * Resolves once it is known who serves what, and the masters serve us, as far as they do at all.
   *
   * @throws STORE_UNAVAILABLE if no node tells.
   */
  async open(): Promise<void> {
    await this.refresh();
    const connections = [...this.#nodes.values()].flatMap(({ reader, writer }) => [reader, writer]);
    await Promise.allSettled(connections.map((connection) => connection.served(OPEN_TIMEOUT)));
  }

  get access(): RedisAccess {
    return this.#location.access;
  }

  /** The masters that have slots. */
  get masters(): ClusterNode[] {
    return this.#map.masters.map((master) => this.at(master));
  }

  /** By how many milliseconds the masters' clocks differ, as far as they serve: by so much tokens of one shard live longer than others. */
  get clockSkew(): number {
    const times = this.masters.filter(({ serves }) => serves).map(({ writer }) => writer.clock.now());
    return times.length === 0 ? 0 : Math.max(...times) - Math.min(...times);
  }

  /** Whether a node is of this cluster, by its id. */
  includes(id: string): boolean {
    const { masters, replicas } = this.#map;
    return [...masters, ...replicas].some((node) => node.id === id);
  }

  /** Who serves a slot, as far as it is known. */
  holder(slot: number): ClusterNode | undefined {
    return this.#slots[slot];
  }

  /** The node at an address. */
  at({ host, port }: Address): ClusterNode {
    const name = `${host}:${port}`;
    let node = this.#nodes.get(name);
    if (!node) {
      node = new ClusterNode({ host, port }, this.access, this.#options, () => {
        this.#isUnsettled = true;
      });
      this.#nodes.set(name, node);
      // A call that is still under way may learn of it, and nobody would close it.
      if (!this.#isClosed) node.connect();
    }
    node.seenAt = performance.now();
    return node;
  }

  /** Learns from a node that another one serves a slot now. */
  move(slot: number, address: Address): ClusterNode {
    const node = this.at(address);
    this.#slots[slot] = node;
    this.#isUnsettled = true;
    return node;
  }

  /**
   * Asks who serves what.
   *
   * @throws STORE_UNAVAILABLE if no node tells.
   */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#learn().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#refreshing?.catch(() => {});
    await Promise.all([...this.#nodes.values()].map((node) => node.close()));
  }

  #watch(): void {
    const isUneasy = this.#isUnsettled || this.#slots.length < SLOTS || this.masters.some((node) => !node.serves);
    if (performance.now() - this.#refreshedAt < (isUneasy ? 0 : INTERVAL)) return;
    this.refresh().catch(() => {});
  }

  async #learn(): Promise<void> {
    this.#isUnsettled = false;
    try {
      this.#apply(await this.#ask());
      this.#report(this.#slots.includes(undefined) ? new Error("Redis Cluster: some slots have no master") : undefined);
    } catch (error) {
      // At the start it is told to who opens it.
      if (this.#nodes.size > 0) this.#report(causeOf(error));
      throw error;
    } finally {
      this.#refreshedAt = performance.now();
    }
  }

  #report(failure: Error | undefined): void {
    const { outages } = this.#options;
    if (failure) outages.lose(this, failure);
    else outages.regain(this);
  }

  /** The latest of some maps. Masters are asked first, over the connections that there are. */
  async #ask(): Promise<ClusterMap> {
    const masters = this.#map.masters.toSorted(() => Math.random() - 0.5);
    const serving = masters.filter((master) => this.at(master).reader.serves);
    const others = [...this.#location.seeds, ...this.#map.replicas, ...masters];
    const places = new Map([...serving, ...others].map((place) => [`${place.host}:${place.port}`, place]));
    const candidates = [...places.values()];
    let failure: unknown;
    for (let start = 0; start < candidates.length; start += ASKED) {
      const maps: ClusterMap[] = [];
      const asks = candidates.slice(start, start + ASKED).map(async (place) => {
        const map = await this.#askOne(place);
        if (!this.#isOurs(map)) throw unavailable(new Error(`another cluster has come to ${place.host}:${place.port}`));
        maps.push(map);
      });
      const first = Promise.any(asks).then(
        () => setTimeout(PATIENCE, undefined, { ref: false }),
        (error: AggregateError) => {
          failure ??= error.errors[0];
        },
      );
      await Promise.race([Promise.allSettled(asks), first]);
      const [latest] = maps.toSorted((a, b) => b.epoch - a.epoch);
      if (latest) return latest;
    }
    throw failure;
  }

  async #askOne({ host, port }: Address): Promise<ClusterMap> {
    const address = { host, port };
    const reader = this.#nodes.get(`${host}:${port}`)?.reader;
    if (reader?.serves) return reader.use((client) => readClusterMap(client, address));
    const claim = async () => Date.now();
    const scout = new RedisConnection({ location: { ...this.access, ...address }, claim });
    await scout.open();
    return scout.use((client) => readClusterMap(client, address)).finally(() => scout.close());
  }

  /** Addresses may be given to others once a node is gone. A cluster does not change all of its nodes at once. */
  #isOurs({ masters, replicas }: ClusterMap): boolean {
    return this.#map.masters.length === 0 || [...masters, ...replicas].some(({ id }) => this.includes(id));
  }

  #apply(map: ClusterMap): void {
    this.#map = map;
    const slots = Array<ClusterNode | undefined>(SLOTS).fill(undefined);
    const ranges = new Map<ClusterNode, readonly SlotRange[]>();
    for (const master of map.masters) {
      const node = this.at(master);
      ranges.set(node, master.ranges);
      node.id = master.id;
      for (const [first, last] of master.ranges) slots.fill(node, first, last + 1);
    }
    this.#slots = slots;
    for (const [name, node] of this.#nodes) {
      node.ranges = ranges.get(node) ?? [];
      if (performance.now() - node.seenAt < RETIREMENT) continue;
      this.#nodes.delete(name);
      void node.close();
    }
  }
}
