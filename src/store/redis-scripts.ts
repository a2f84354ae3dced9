import type { Redis } from "ioredis";
import { COMMON } from "./redis-lua.ts";
import { NOTE_USES } from "./redis-use-script.ts";
import { INSERT, REPLACE } from "./redis-write-scripts.ts";

// The writes of the Redis store. Each is one script on one hash tag, with every key declared and all values in ARGV.
// What only removes or switches may run when memory is full (allow-oom): a revocation must not wait for memory.

// KEYS 4 and on: the records, then as many sets of children, then what the plan names by its place in KEYS. What the plan was made
// from is checked first: -1 asks for a new one.
const REMOVE = `#!lua flags=allow-oom
${COMMON}
local index, subjects, pause = unpack(KEYS, 1, 3)
local plan = cjson.decode(ARGV[1])
local total = #plan.ids

-- A call takes only so many values at once.
local function in_parts(first, last, run)
  for start = first, last, 500 do run(start, math.min(start + 499, last)) end
end

local function has_changed(key, fingerprint)
  return redis.sha1hex(table.concat(redis.call('ZRANGE', key, 0, -1), ' ')) ~= fingerprint
end

if plan.index and has_changed(index, plan.index) then return -1 end
for _, family in ipairs(plan.families) do
  if has_changed(KEYS[family.key], family.fingerprint) then return -1 end
end
local with_children = 0
in_parts(4 + total, 3 + 2 * total, function(first, last)
  with_children = with_children + redis.call('EXISTS', unpack(KEYS, first, last))
end)
if with_children ~= #plan.families then return -1 end
local unchanged = true
in_parts(4, 3 + total, function(first, last)
  for position, record in ipairs(redis.call('MGET', unpack(KEYS, first, last))) do
    local version = record and #record >= 5 and struct.unpack('<I4', record, 2)
    unchanged = unchanged and version == plan.versions[first + position - 4]
  end
end)
if not unchanged then return -1 end

in_parts(4, 3 + total, function(first, last) redis.call('DEL', unpack(KEYS, first, last)) end)
for _, label in ipairs(plan.labels) do
  if redis.call('GET', KEYS[label.key]) == label.id then redis.call('DEL', KEYS[label.key]) end
end
for _, family in ipairs(plan.families) do redis.call('DEL', KEYS[family.key]) end
in_parts(1, total, function(first, last) redis.call('ZREM', index, unpack(plan.members, first, last)) end)
for _, entry in ipairs(plan.entries) do
  in_parts(1, #entry.members, function(first, last)
    redis.call('ZREM', KEYS[entry.key], unpack(entry.members, first, last))
  end)
end
redis.call('DEL', pause)
if redis.call('EXISTS', index) == 0 then
  redis.call('ZREM', subjects, plan.subject)
elseif plan.permanent then
  shrink_index(index, subjects, plan.subject)
end
redis.call('PUBLISH', 'lk:changes', 'deleted ' .. table.concat(plan.ids, ' '))
return total
`;

// KEYS: an index, then the records of the members in ARGV. Drops those whose record is gone.
const PRUNE = `#!lua flags=allow-oom
for position, member in ipairs(ARGV) do
  if redis.call('EXISTS', KEYS[position + 1]) == 0 then redis.call('ZREM', KEYS[1], member) end
end
return 0
`;

// Lapses by itself, should the removal that asked for it never come.
const PAUSE = `#!lua flags=allow-oom
return redis.call('SET', KEYS[1], '', 'PX', ARGV[1])
`;

const ADOPT_KEYS = `#!lua
local known = redis.call('SCARD', KEYS[1]) == 0
for _, fingerprint in ipairs(ARGV) do
  known = known or redis.call('SISMEMBER', KEYS[1], fingerprint) == 1
end
if not known then return 0 end
for _, fingerprint in ipairs(ARGV) do redis.call('SADD', KEYS[1], fingerprint) end
return 1
`;

// Being a script that may write, it is refused where writes are: on a replica.
const CLAIM = `#!lua flags=allow-oom
${COMMON}
redis.call('HSETNX', KEYS[1], 'shard_key', ARGV[1])
return {redis.call('HGET', KEYS[1], 'shard_key'), read_clock()}
`;

// For masters of a cluster that do not hold the key which the claim is kept in.
const PROBE = `#!lua flags=allow-oom
${COMMON}
return read_clock()
`;

// Also where memory is full, and leaves nothing.
const TICK = `#!lua flags=allow-oom
redis.call('SET', KEYS[1], '')
return redis.call('DEL', KEYS[1])
`;

export type Value = string | number | Buffer;

interface Scripts {
  insertToken(
    ...countKeysValues: Value[]
  ): Promise<
    "inserted" | "id-taken" | "paused" | "repeated" | "parent-gone" | "conflict" | "label-taken" | "cap-reached"
  >;
  replaceToken(...countKeysValues: Value[]): Promise<"replaced" | "paused" | "repeated" | "conflict" | "label-taken">;
  /** Answers how many records it deleted, or -1 if the plan is out of date. */
  removeTokens(...countKeysPlan: Value[]): Promise<number>;
  /** Answers the places of the records that it can't patch, which count from 1. */
  noteUses(...countKeysPrecisionTimes: Value[]): Promise<number[]>;
  pauseOwner(key: string, milliseconds: number): Promise<unknown>;
  pruneIndex(...countKeysMembers: Value[]): Promise<number>;
  /** Answers 1 if the keys fit the data. */
  adoptKeys(key: string, ...fingerprints: string[]): Promise<number>;
  /** Answers the shard key of the data, the given one if it had none; and the server's time in milliseconds. */
  claimData(key: string, shardKey: string): Promise<[shardKey: string, now: number]>;
  /** Answers the server's time in milliseconds, if it takes writes. */
  probeMaster(): Promise<number>;
}

/** A client that knows the scripts. */
export type ScriptedRedis = Redis & Scripts;

export function defineScripts(client: Redis): ScriptedRedis {
  client.defineCommand("insertToken", { lua: INSERT });
  client.defineCommand("replaceToken", { lua: REPLACE });
  client.defineCommand("removeTokens", { lua: REMOVE });
  client.defineCommand("noteUses", { lua: NOTE_USES });
  client.defineCommand("pruneIndex", { lua: PRUNE });
  client.defineCommand("pauseOwner", { numberOfKeys: 1, lua: PAUSE });
  client.defineCommand("adoptKeys", { numberOfKeys: 1, lua: ADOPT_KEYS });
  client.defineCommand("claimData", { numberOfKeys: 1, lua: CLAIM });
  client.defineCommand("probeMaster", { numberOfKeys: 0, lua: PROBE });
  return client as ScriptedRedis;
}

/**
 * A write that changes nothing, for the replicas to follow. Its text is sent each time: by its name it would run later, where the server
 * does not know it yet, and what was sent after it would come before.
 */
export function tick(client: ScriptedRedis, key: string): Promise<unknown> {
  return client.eval(TICK, 1, key);
}
