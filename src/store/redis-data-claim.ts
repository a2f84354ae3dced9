import { randomBytes } from "node:crypto";
import { META_KEY } from "./redis-keys.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";
import { SHARD_KEY_LENGTH } from "./shard.ts";

/** Remembers to which data this process belongs: that of the shard key which it found first, or put there. */
export class DataClaim {
  #shardKey = randomBytes(SHARD_KEY_LENGTH).toString("hex");
  #hasClaimed = false;
  #isReplaced = false;

  /** That of the data, once it is claimed. */
  get shardKey(): Buffer {
    return Buffer.from(this.#shardKey, "hex");
  }

  /** Whether the last claim found that of another installation. */
  get isReplaced(): boolean {
    return this.#isReplaced;
  }

  /**
   * Makes sure that the server takes writes, and that its data is that of the shard key: else all ids would be wrong. Answers the
   * server's time in milliseconds since 1970.
   */
  async claim(client: ScriptedRedis): Promise<number> {
    const [found, now] = await client.claimData(META_KEY, this.#shardKey);
    this.#isReplaced = this.#hasClaimed && found !== this.#shardKey;
    if (this.#isReplaced) throw new Error("the data was replaced: restart Latchkey");
    this.#shardKey = found;
    this.#hasClaimed = true;
    return now;
  }
}
