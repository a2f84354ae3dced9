import { ChangeFeed } from "./change-feed.ts";
import { type ConnectionOptions, RedisConnection } from "./redis-connection.ts";
import { CHANGES_CHANNEL } from "./redis-keys.ts";
import type { Change } from "./token-store.ts";

/**
 * Opens the connection over which the changes of all instances come, from whichever server it leads to. Redis sends them at most once,
 * so a `reset` tells the listeners to forget all when the connection is lost, and again when it is back: they may have read old data
 * since.
 */
export async function subscribeToChanges(
  options: Omit<ConnectionOptions, "prepare" | "durability" | "tick">,
): Promise<{ connection: RedisConnection; feed: ChangeFeed }> {
  const feed = new ChangeFeed();
  const connection = new RedisConnection({
    ...options,
    prepare: async (client) => {
      await client.subscribe(CHANGES_CHANNEL);
      feed.publish({ type: "reset" });
    },
  });
  connection.client.on("close", () => feed.publish({ type: "reset" }));
  connection.client.on("message", (_channel, message) => publishMessage(feed, message));
  await connection.open();
  return { connection, feed };
}

/**
 * Tells the listeners of this process what a write does, before whoever asked for it has the answer: over the channel it comes too, but
 * nobody knows when. A write whose outcome is not known may still happen, so its tokens count as changed.
 *
 * @param hasChanged whether an answer says that the write was made, now or before.
 */
export async function announce<T>(
  feed: ChangeFeed,
  write: Promise<T>,
  changes: readonly (Change & { readonly id: string })[],
  hasChanged: (answer: T) => boolean,
): Promise<T> {
  try {
    const answer = await write;
    if (hasChanged(answer)) for (const change of changes) feed.publish(change);
    return answer;
  } catch (error) {
    for (const { id } of changes) feed.publish({ type: "changed", id });
    throw error;
  }
}

function publishMessage(feed: ChangeFeed, message: string): void {
  const [type, ...ids] = message.split(" ");
  if (type === "changed" || type === "deleted") for (const id of ids) feed.publish({ type, id });
  else feed.publish({ type: "reset" });
}
