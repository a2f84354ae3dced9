import { changed } from "../domain/token.ts";
import { decodeRecord } from "./record.ts";
import type { RedisConnection } from "./redis-connection.ts";
import { recordKey } from "./redis-keys.ts";
import { replaceToken } from "./redis-writes.ts";
import { tagIn } from "./shard.ts";

/** How many uses one script notes, and how many are on their way to Redis at once, so that neither it nor we are long at it. */
const MOST = 100;
const AT_ONCE = 250;

type Use = readonly [id: string, time: number];

/** `TokenStore.noteUses` on Redis: the tokens of a shard together, because a script stays in one. */
export async function noteUses(
  writer: RedisConnection,
  uses: ReadonlyMap<string, number>,
  precision: number,
): Promise<void> {
  const shards = Map.groupBy(uses, ([id]) => tagIn(id));
  let started: Promise<unknown>[] = [];
  let count = 0;
  for (const shard of shards.values()) {
    for (let start = 0; start < shard.length; start += MOST) {
      const some = shard.slice(start, start + MOST);
      started.push(noteInShard(writer, some, precision));
      count += some.length;
    }
    if (count < AT_ONCE) continue;
    await Promise.all(started);
    [started, count] = [[], 0];
  }
  await Promise.all(started);
}

async function noteInShard(writer: RedisConnection, uses: readonly Use[], precision: number): Promise<void> {
  const keys = uses.map(([id]) => recordKey(id));
  const times = uses.map(([, time]) => time);
  const others = await writer.use((client) => client.noteUses(keys.length, ...keys, precision, ...times));
  for (const place of others) {
    const use = uses[place - 1];
    if (use) await noteInEarlierRecord(writer, use, precision);
  }
}

/** In a record of an earlier Latchkey the last use has no place of its own: it is packed anew, as far as it does not change meanwhile. */
async function noteInEarlierRecord(writer: RedisConnection, [id, time]: Use, precision: number): Promise<void> {
  const bytes = await writer.use((client) => client.getBuffer(recordKey(id)));
  if (!bytes) return;
  const token = decodeRecord(id, bytes);
  if (time - (token.lastUsedTime ?? Number.NEGATIVE_INFINITY) < precision) return;
  await writer.use((client) => replaceToken(client, token, changed(token, { lastUsedTime: time }), undefined));
}
