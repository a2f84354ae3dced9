import type { Redis } from "ioredis";

// The writes of the Redis store. Each is one script on one hash tag, with every key declared and all values in ARGV.
// Times are milliseconds as text, `inf` for never, empty for what a token does not hold at all.
// What only removes or switches may run when memory is full (allow-oom): a revocation must not wait for memory.

// The score of a set of times is when its member dies; an index is scored by creation and tells the death in its members.
const COMMON = `
local function read_clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function is_after(time, now)
  return time == 'inf' or (time ~= '' and tonumber(time) > now)
end

local function set_until(key, value, time)
  if time == 'inf' then redis.call('SET', key, value) else redis.call('SET', key, value, 'PXAT', time) end
end

local function expire_at(key, time)
  if time == 'inf' then redis.call('PERSIST', key) else redis.call('PEXPIREAT', key, time) end
end

local function expire_with_last(times)
  local last = redis.call('ZRANGE', times, -1, -1, 'WITHSCORES')
  if last[2] then expire_at(times, last[2]) end
end

local function drop_dead(times, now)
  local dead = redis.call('ZRANGE', times, '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)
  if #dead > 0 then redis.call('ZREM', times, unpack(dead)) end
end

local function death_of(member)
  local seconds = member:match('%.(%w+)$')
  return seconds and tonumber(seconds, 36) * 1000 or 'inf'
end

local function add_to_index(index, subjects, subject, created, member)
  local death, current = death_of(member), redis.call('PEXPIRETIME', index)
  redis.call('ZADD', index, created, member)
  local outlives = current == -2 or (current ~= -1 and is_after(death, current))
  if death == 'inf' or outlives then expire_at(index, death) end
  redis.call('ZADD', subjects, 'GT', death, subject)
  expire_with_last(subjects)
end

local function last_death(index)
  local last = 0
  for start = 0, redis.call('ZCARD', index) - 1, 500 do
    for _, member in ipairs(redis.call('ZRANGE', index, start, start + 499)) do
      local death = death_of(member)
      if death == 'inf' then return death end
      last = math.max(last, death)
    end
  end
  return last
end

-- After a permanent token left an index: the rest may have an end.
local function shrink_index(index, subjects, subject)
  local last = last_death(index)
  if last == 'inf' then return end
  expire_at(index, last)
  redis.call('ZADD', subjects, last, subject)
  expire_with_last(subjects)
end
`;

const INSERT = `#!lua
${COMMON}
local record, index, subjects, label, places, parent, siblings, pause = unpack(KEYS)
local bytes, id, member, created, purge, label_until, place_until, cap, has_parent, subject = unpack(ARGV)
local now = read_clock()

local known = redis.call('GET', record)
if known then return known == bytes and 'inserted' or 'id-taken' end
if redis.call('EXISTS', pause) == 1 then return 'paused' end
if label_until ~= '' and redis.call('EXISTS', label) == 1 then return 'label-taken' end
if place_until ~= '' then
  redis.call('ZREMRANGEBYSCORE', places, '-inf', now)
  if redis.call('ZCARD', places) >= tonumber(cap) then return 'cap-reached' end
end
if has_parent == '1' and redis.call('EXISTS', parent) == 0 then return 'parent-gone' end

for _, other in ipairs(redis.call('ZRANDMEMBER', index, 16)) do
  if not is_after(death_of(other), now) then redis.call('ZREM', index, other) end
end
drop_dead(subjects, now)
add_to_index(index, subjects, subject, created, member)
if is_after(label_until, now) then set_until(label, id, label_until) end
if is_after(place_until, now) then
  redis.call('ZADD', places, place_until, id)
  expire_with_last(places)
end
if has_parent == '1' then
  drop_dead(siblings, now)
  redis.call('ZADD', siblings, death_of(member), id)
  expire_with_last(siblings)
end
set_until(record, bytes, purge)
redis.call('PUBLISH', 'lk:changes', 'changed ' .. id)
return 'inserted'
`;

const REPLACE = `#!lua flags=allow-oom
${COMMON}
local record, index, subjects, old_label, label, places, siblings, pause = unpack(KEYS)
local bytes, version, id, old_member, member, created, purge, label_until, place_until, subject = unpack(ARGV)
local now = read_clock()

if redis.call('EXISTS', pause) == 1 then return 'paused' end
local stored = redis.call('GET', record)
if not stored or stored:sub(1, #version) ~= version then return 'conflict' end
local keeps_label = is_after(label_until, now)
if label_until ~= '' and (label ~= old_label or keeps_label) then
  local holder = redis.call('GET', label)
  if holder and holder ~= id then return 'label-taken' end
end

if redis.call('GET', old_label) == id then redis.call('DEL', old_label) end
if keeps_label then set_until(label, id, label_until) end
if is_after(place_until, now) then redis.call('ZADD', places, place_until, id) else redis.call('ZREM', places, id) end
expire_with_last(places)
if member ~= old_member then
  redis.call('ZREM', index, old_member)
  add_to_index(index, subjects, subject, created, member)
  if death_of(old_member) == 'inf' then shrink_index(index, subjects, subject) end
  redis.call('ZADD', siblings, 'XX', death_of(member), id)
  expire_with_last(siblings)
end
set_until(record, bytes, purge)
redis.call('PUBLISH', 'lk:changes', 'changed ' .. id)
return 'replaced'
`;

// The plan names keys by their place in KEYS. What it was made from is checked first: -1 asks for a new plan.
const REMOVE = `#!lua flags=allow-oom
${COMMON}
local index, subjects, pause = unpack(KEYS, 1, 3)
local plan = cjson.decode(ARGV[1])

for _, set in ipairs(plan.sets) do
  local members = redis.call('ZRANGE', KEYS[set.key], 0, -1)
  if redis.sha1hex(table.concat(members, ' ')) ~= set.fingerprint then return -1 end
end
for _, record in ipairs(plan.versions) do
  local bytes = redis.call('GETRANGE', KEYS[record.key], 0, 4)
  if #bytes < 5 or struct.unpack('<I4', bytes, 2) ~= record.version then return -1 end
end

local count = 0
for _, key in ipairs(plan.records) do count = count + redis.call('DEL', KEYS[key]) end
for _, label in ipairs(plan.labels) do
  if redis.call('GET', KEYS[label.key]) == label.id then redis.call('DEL', KEYS[label.key]) end
end
for _, entry in ipairs(plan.entries) do redis.call('ZREM', KEYS[entry.key], entry.member) end
for _, key in ipairs(plan.families) do redis.call('DEL', KEYS[key]) end
redis.call('DEL', pause)
if redis.call('EXISTS', index) == 0 then
  redis.call('ZREM', subjects, plan.subject)
elseif plan.permanent then
  shrink_index(index, subjects, plan.subject)
end
redis.call('PUBLISH', 'lk:changes', 'deleted ' .. table.concat(plan.ids, ' '))
return count
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
redis.call('HSETNX', KEYS[1], 'shard_key', ARGV[1])
return redis.call('HGET', KEYS[1], 'shard_key')
`;

type Value = string | number | Buffer;

interface Scripts {
  insertToken(
    ...keysAndValues: Value[]
  ): Promise<"inserted" | "id-taken" | "paused" | "label-taken" | "cap-reached" | "parent-gone">;
  replaceToken(...keysAndValues: Value[]): Promise<"replaced" | "conflict" | "label-taken" | "paused">;
  /** Answers how many records it deleted, or -1 if the plan is out of date. */
  removeTokens(...countKeysPlan: Value[]): Promise<number>;
  pauseOwner(key: string, milliseconds: number): Promise<unknown>;
  pruneIndex(...countKeysMembers: Value[]): Promise<number>;
  /** Answers 1 if the keys fit the data. */
  adoptKeys(key: string, ...fingerprints: string[]): Promise<number>;
  /** Answers the shard key of the data: the given one if it had none. */
  claimData(key: string, shardKey: string): Promise<string>;
}

/** A client that knows the scripts. */
export type ScriptedRedis = Redis & Scripts;

export function defineScripts(client: Redis): ScriptedRedis {
  client.defineCommand("insertToken", { numberOfKeys: 8, lua: INSERT });
  client.defineCommand("replaceToken", { numberOfKeys: 8, lua: REPLACE });
  client.defineCommand("removeTokens", { lua: REMOVE });
  client.defineCommand("pruneIndex", { lua: PRUNE });
  client.defineCommand("pauseOwner", { numberOfKeys: 1, lua: PAUSE });
  client.defineCommand("adoptKeys", { numberOfKeys: 1, lua: ADOPT_KEYS });
  client.defineCommand("claimData", { numberOfKeys: 1, lua: CLAIM });
  return client as ScriptedRedis;
}
