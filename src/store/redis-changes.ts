import { ChangeFeed } from "./change-feed.ts";
import { type ConnectionOptions, RedisConnection } from "./redis-connection.ts";
import { CHANGES_CHANNEL } from "./redis-keys.ts";

/**
 * Opens the connection over which the changes of all instances come. Redis sends them at most once, so a `reset` tells
 * the listeners to forget all when the connection is lost, and again when it is back: they may have read old data since.
 */
export async function subscribeToChanges(
  options: Pick<ConnectionOptions, "location" | "shardKey">,
): Promise<{ connection: RedisConnection; feed: ChangeFeed }> {
  const feed = new ChangeFeed();
  const connection = new RedisConnection({
    ...options,
    pipelining: false,
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

function publishMessage(feed: ChangeFeed, message: string): void {
  const [type, ...ids] = message.split(" ");
  if (type === "changed" || type === "deleted") for (const id of ids) feed.publish({ type, id });
  else feed.publish({ type: "reset" });
}
