import type { Owner, Token } from "../domain/token.ts";
import { decodeRecord } from "./record.ts";
import { idOfMember, indexKey, recordKey, subjectsKey } from "./redis-keys.ts";
import type { RedisReads } from "./redis-nodes.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";
import { SHARD_TAGS } from "./shard.ts";
import type { PageCursor, PageRange } from "./token-store.ts";

/** How many shards or owners a walk over a tenant looks at in one round trip. */
const SHARDS_AT_ONCE = 512;
const OWNERS_AT_ONCE = 64;
/** How many records one command reads, so that none takes long. */
const RECORDS_AT_ONCE = 1000;

type ShardTag = (owner: Owner) => string;

/** `TokenStore.page` on Redis. */
export async function readPage(reads: RedisReads, shardTag: ShardTag, range: PageRange): Promise<Token[]> {
  const { tenant, subject, after, limit } = range;
  const readOwner = (owner: Owner, count: number, from?: PageCursor) => {
    const tag = shardTag(owner);
    return reads.read(indexKey(tag, owner), (client) => readIndex(client, tag, owner, count, from));
  };
  if (subject !== undefined) return readOwner({ tenant, subject }, limit, after);
  const start = after && { tenant, subject: after.subject };
  const page = start ? await readOwner(start, limit, after) : [];
  for await (const owners of walkOwners(reads, tenant, start && { ...start, tag: shardTag(start) })) {
    if (page.length >= limit) break;
    const read = owners.map((owner) => readOwner(owner, limit - page.length));
    page.push(...(await Promise.all(read)).flat());
  }
  return page.slice(0, limit);
}

/** Records of one owner by their ids. */
async function readRecords(client: ScriptedRedis, ids: readonly string[]): Promise<(Token | undefined)[]> {
  const tokens: (Token | undefined)[] = [];
  for (let start = 0; start < ids.length; start += RECORDS_AT_ONCE) {
    const some = ids.slice(start, start + RECORDS_AT_ONCE);
    const records = await client.mgetBuffer(some.map(recordKey));
    some.forEach((id, position) => {
      const bytes = records[position];
      tokens.push(bytes ? decodeRecord(id, bytes) : undefined);
    });
  }
  return tokens;
}

async function readIndex(
  client: ScriptedRedis,
  tag: string,
  owner: Owner,
  limit: number,
  after?: PageCursor,
): Promise<Token[]> {
  const index = indexKey(tag, owner);
  const tokens: Token[] = [];
  for await (const members of walkIndex(client, tag, index, limit, after)) {
    const found = await readRecords(
      client,
      members.map((member) => idOfMember(tag, member)),
    );
    tokens.push(...found.filter((token) => token !== undefined));
    const gone = members.filter((_, position) => found[position] === undefined);
    if (gone.length > 0) await pruneIndex(client, tag, index, gone);
    if (tokens.length >= limit) break;
  }
  return tokens.slice(0, limit);
}

/** Steps through an index from the newest token on. Tokens of one instant come again with each step, and are left out. */
async function* walkIndex(client: ScriptedRedis, tag: string, index: string, limit: number, after?: PageCursor) {
  let cursor: { id: string; createTime: number } | undefined = after;
  for (let size = limit + 1; ; size *= 2) {
    const from = cursor?.createTime ?? "+inf";
    const reply = await client.zrange(index, from, "-inf", "BYSCORE", "REV", "LIMIT", 0, size, "WITHSCORES");
    const entries = Array.from({ length: reply.length / 2 }, (_, position) => ({
      member: reply[2 * position] as string,
      createTime: Number(reply[2 * position + 1]),
    }));
    const fresh = entries.filter(({ member, createTime }) => {
      return !cursor || createTime < cursor.createTime || idOfMember(tag, member) < cursor.id;
    });
    const last = fresh.at(-1);
    if (last) {
      yield fresh.map(({ member }) => member);
      cursor = { id: idOfMember(tag, last.member), createTime: last.createTime };
    }
    if (entries.length < size) return;
  }
}

async function pruneIndex(
  client: ScriptedRedis,
  tag: string,
  index: string,
  members: readonly string[],
): Promise<void> {
  const records = members.map((member) => recordKey(idOfMember(tag, member)));
  await client.pruneIndex(records.length + 1, index, ...records, ...members);
}

/**
 * The owners of a tenant that come after one, in groups: by shard tag, then by the UTF-8 bytes of the subject. Every shard is asked: a
 * list of those that a tenant uses would lie in another slot than its tokens, so a failover could lose a part of the one and not of
 * the other, and tokens that no list shows are tokens that nobody deletes.
 */
async function* walkOwners(
  reads: RedisReads,
  tenant: string,
  after: (Owner & { tag: string }) | undefined,
): AsyncGenerator<Owner[]> {
  const tags = SHARD_TAGS.filter((tag) => !after || tag >= after.tag);
  for (let start = 0; start < tags.length; start += SHARDS_AT_ONCE) {
    const shards = tags.slice(start, start + SHARDS_AT_ONCE);
    const subjects = await readSubjects(reads, shards, tenant);
    if (start === 0 && after)
      subjects[0] = subjects[0]?.filter((subject) => compareBytes(subject, after.subject) > 0) ?? [];
    const owners = subjects.flat().map((subject) => ({ tenant, subject }));
    for (let next = 0; next < owners.length; next += OWNERS_AT_ONCE) yield owners.slice(next, next + OWNERS_AT_ONCE);
  }
}

/** The subjects of a tenant in each of the shards, sorted. */
function readSubjects(reads: RedisReads, tags: readonly string[], tenant: string): Promise<string[][]> {
  const lists = tags.map(async (tag) => {
    const key = subjectsKey(tag, tenant);
    const subjects = await reads.read(key, (client) => client.zrange(key, "0", "-1"));
    return subjects.sort(compareBytes);
  });
  return Promise.all(lists);
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
