import { changed } from "../domain/token.ts";
import { decodeRecord } from "./record.ts";
import { recordKey } from "./redis-keys.ts";
import type { RedisNodes } from "./redis-nodes.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";
import { replaceToken } from "./redis-writes.ts";

/** How many uses one script notes, and how many are on their way to Redis at once, so that neither it nor we are long at it. */
const MOST = 100;
const AT_ONCE = 250;

type Use = readonly [id: string, time: number];

/** `TokenStore.noteUses` on Redis. */
export async function noteUses(nodes: RedisNodes, uses: ReadonlyMap<string, number>, precision: number): Promise<void> {
  let parts: Use[][] = [];
  let count = 0;
  for (const group of nodes.group(uses, ([id]) => recordKey(id))) {
    for (let start = 0; start < group.length; start += MOST) {
      const part = group.slice(start, start + MOST);
      parts.push(part);
      count += part.length;
      if (count < AT_ONCE) continue;
      await noteParts(nodes, parts, precision);
      [parts, count] = [[], 0];
    }
  }
  await noteParts(nodes, parts, precision);
}

async function noteParts(nodes: RedisNodes, parts: readonly Use[][], precision: number): Promise<void> {
  const others = await Promise.all(parts.map((uses) => patchRecords(nodes, uses, precision)));
  for (const use of others.flat())
    await nodes.note(recordKey(use[0]), (client) => replaceRecord(client, use, precision));
}

/** Answers the uses of those tokens of a group that have other records. */
async function patchRecords(nodes: RedisNodes, uses: readonly Use[], precision: number): Promise<Use[]> {
  const keys = uses.map(([id]) => recordKey(id));
  const times = uses.map(([, time]) => time);
  const others = await nodes.note(keys[0] ?? "", (client) =>
    client.noteUses(keys.length, ...keys, precision, ...times),
  );
  return uses.filter((_, position) => others.includes(position + 1));
}

/** A record of an earlier Latchkey has no place for the last use: it is packed anew, unless the token changes meanwhile. */
async function replaceRecord(client: ScriptedRedis, [id, time]: Use, precision: number): Promise<void> {
  const bytes = await client.getBuffer(recordKey(id));
  const token = bytes && decodeRecord(id, bytes);
  if (!token || time - (token.lastUsedTime ?? Number.NEGATIVE_INFINITY) < precision) return;
  await replaceToken(client, token, changed(token, { lastUsedTime: time }), undefined);
}
