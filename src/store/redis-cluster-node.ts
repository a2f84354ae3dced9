import { type ConnectionOptions, RedisConnection } from "./redis-connection.ts";
import type { Address, RedisAccess } from "./redis-location.ts";
import { askingClient, type Refusal, refusalIn } from "./redis-refusals.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";

/** What became of a step at a node. `unsent`: it did not begin, for the node does not serve us. */
export type Outcome<T> = { readonly value: T } | Refusal | { readonly unsent: unknown };

type Side = "reader" | "writer";

/** A master of a cluster, and our connections to it. */
export class ClusterNode {
  readonly address: Address;
  readonly reader: RedisConnection;
  readonly writer: RedisConnection;
  /** By which the others know it. Another node that has come to this address is not used. */
  id: string | undefined;
  /** When it was last a master with slots, by `performance.now`. */
  seenAt = performance.now();

  /** @param onLoss is called whenever a connection to it is lost. */
  constructor(address: Address, access: RedisAccess, onLoss: () => void) {
    this.address = address;
    const claim = (client: ScriptedRedis) => this.#claim(client);
    const options: Omit<ConnectionOptions, "pipelining"> = { location: { ...access, ...address }, claim };
    this.reader = new RedisConnection({ ...options, pipelining: true });
    this.writer = new RedisConnection({ ...options, pipelining: false });
    for (const { client } of [this.reader, this.writer]) client.on("close", onLoss);
  }

  get serves(): boolean {
    return this.reader.serves && this.writer.serves;
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
  async run<T>(side: Side, asking: boolean, step: (client: ScriptedRedis) => Promise<T>): Promise<Outcome<T>> {
    let hasBegun = false;
    const attempt = async (client: ScriptedRedis): Promise<Outcome<T>> => {
      hasBegun = true;
      try {
        return { value: await step(asking ? askingClient(client) : client) };
      } catch (error) {
        const refusal = refusalIn(error, this.address);
        if (refusal) return refusal;
        throw error;
      }
    };
    try {
      return await (side === "reader" ? this.reader.read(attempt) : this.writer.use(attempt));
    } catch (error) {
      if (hasBegun) throw error;
      return { unsent: error };
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.reader.close(), this.writer.close()]);
  }

  async #claim(client: ScriptedRedis): Promise<number> {
    const [now, id] = await Promise.all([client.probeMaster(), client.cluster("MYID")]);
    this.id ??= id;
    if (id !== this.id) throw new Error("another node has come to this address");
    return now;
  }
}
