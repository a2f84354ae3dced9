import { type ConnectionOptions, RedisConnection } from "./redis-connection.ts";
import type { Address, RedisAccess } from "./redis-location.ts";
import type { NodesOptions } from "./redis-nodes.ts";
import { askingClient, type Refusal, refusalIn } from "./redis-refusals.ts";
import { type ScriptedRedis, tick } from "./redis-scripts.ts";
import type { SlotRange } from "./redis-slots.ts";
import { TickKeys } from "./redis-ticks.ts";

/** What became of a step at a node. `unsent`: it did not begin, for the node does not serve us. */
export type Outcome<T> = { readonly value: T } | Refusal | { readonly unsent: unknown };

/** How a step is carried out: as a read, as a write, or so that what it answers lasts, as far as the durability says. */
export type Manner = "read" | "note" | "settle";

export interface Step<T> {
  readonly manner: Manner;
  /** Of the slot that it touches. */
  readonly key: string;
  readonly run: (client: ScriptedRedis) => Promise<T>;
}

/** A master of a cluster, and our connections to it. */
export class ClusterNode {
  readonly address: Address;
  readonly reader: RedisConnection;
  readonly writer: RedisConnection;
  /** By which the others know it. Another node that has come to this address is not used. */
  id: string | undefined;
  /** When it was last a master with slots, by `performance.now`. */
  seenAt = performance.now();
  readonly #ticks = new TickKeys();

  /** @param onLoss is called whenever a connection to it is lost. */
  constructor(address: Address, access: RedisAccess, { durability, outages }: NodesOptions, onLoss: () => void) {
    this.address = address;
    const claim = (client: ScriptedRedis) => this.#claim(client);
    const options: ConnectionOptions = { location: { ...access, ...address }, claim, outages };
    this.reader = new RedisConnection(options);
    this.writer = new RedisConnection({
      ...options,
      durability,
      tick: (client) => this.#tick(client),
    });
    for (const { client } of [this.reader, this.writer]) client.on("close", onLoss);
  }

  get serves(): boolean {
    return this.reader.serves && this.writer.serves;
  }

  /** The slots that it has been found to hold. Without any, it is no outage when it does not serve. */
  set ranges(ranges: readonly SlotRange[]) {
    this.#ticks.ranges = ranges;
    for (const connection of [this.reader, this.writer]) connection.isNeeded = ranges.length > 0;
  }

  connect(): void {
    this.reader.connect();
    this.writer.connect();
  }

  /**
   * Runs a step here.
   *
   * @param asking whether a node sent us here for keys that are on their way.
   * @throws STORE_UNAVAILABLE if it failed, or its outcome is not known.
   */
  async run<T>(step: Step<T>, asking: boolean): Promise<Outcome<T>> {
    let hasBegun = false;
    let refusal: Refusal | undefined;
    const attempt = async (client: ScriptedRedis) => {
      hasBegun = true;
      try {
        const value = await step.run(asking ? askingClient(client) : client);
        if (step.manner === "settle") this.#ticks.follow(step.key);
        return value;
      } catch (error) {
        // Thrown on, so that nobody waits for the replicas to have it.
        refusal = refusalIn(error, this.address);
        throw error;
      }
    };
    try {
      return { value: await this.#carryOut(step.manner, attempt) };
    } catch (error) {
      if (refusal) return refusal;
      if (hasBegun) throw error;
      return { unsent: error };
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.reader.close(), this.writer.close()]);
  }

  #carryOut<T>(manner: Manner, attempt: (client: ScriptedRedis) => Promise<T>): Promise<T> {
    switch (manner) {
      case "read":
        return this.reader.read(attempt);
      case "note":
        return this.writer.use(attempt);
      case "settle":
        return this.writer.settle(attempt);
    }
  }

  async #tick(client: ScriptedRedis): Promise<void> {
    // Some of the slots may be on their way here.
    const asking = askingClient(client);
    await Promise.any(this.#ticks.all.map((key) => tick(asking, key))).catch(({ errors }: AggregateError) => {
      throw errors[0];
    });
  }

  async #claim(client: ScriptedRedis): Promise<number> {
    const [now, id] = await Promise.all([client.probeMaster(), client.cluster("MYID")]);
    this.id ??= id;
    if (id !== this.id) throw new Error("another node has come to this address");
    return now;
  }
}
