import { COMMON } from "./redis-lua.ts";

// An insert and a replacement, and what they have in common. KEYS and ARGV hold what all tokens of the write share, for they
// have one owner, and then token after token. All is checked before anything is written. The token that changes in the same step
// as another is inserted, its parent, counts as it will be: what it lets go of is free, what it takes is not.
const WRITE = `
${COMMON}
local mark, pause, index, subjects = unpack(KEYS)
local mark_value, mark_until, subject = unpack(ARGV)
local now = read_clock()

local function read_token(place)
  local token, key, value = {}, 6 * place - 1, 9 * place - 5
  token.record, token.label, token.old_label, token.places, token.parent, token.siblings = unpack(KEYS, key, key + 5)
  token.bytes, token.version, token.id, token.member, token.old_member = unpack(ARGV, value, value + 4)
  token.created, token.purge, token.label_until, token.place_until = unpack(ARGV, value + 5, value + 8)
  return token
end

local function is_repeated()
  return mark_until ~= '' and redis.call('EXISTS', mark) == 1
end

local function is_label_taken(token, change)
  if change and change.label == token.label and is_after(change.label_until, now) then return true end
  local holder = redis.call('GET', token.label)
  return holder and holder ~= token.id and not (change and holder == change.id)
end

local function count_places(token, change)
  local count = redis.call('ZCOUNT', token.places, now + 1, 'inf')
  if change and change.places == token.places then
    if is_after(redis.call('ZSCORE', token.places, change.id) or '', now) then count = count - 1 end
    if is_after(change.place_until, now) then count = count + 1 end
  end
  return count
end

local function refuse_change(token)
  if redis.call('GETRANGE', token.record, 0, 4) ~= token.version then return 'conflict' end
  local takes_label = token.label ~= token.old_label or is_after(token.label_until, now)
  if token.label_until ~= '' and takes_label and is_label_taken(token) then return 'label-taken' end
end

local function write_holdings(token)
  if is_after(token.label_until, now) then set_until(token.label, token.id, token.label_until) end
  if is_after(token.place_until, now) then
    redis.call('ZADD', token.places, token.place_until, token.id)
  else
    redis.call('ZREM', token.places, token.id)
  end
  expire_with_last(token.places)
end

local function write_change(token)
  if redis.call('GET', token.old_label) == token.id then redis.call('DEL', token.old_label) end
  write_holdings(token)
  if token.member ~= token.old_member then
    redis.call('ZREM', index, token.old_member)
    add_to_index(index, subjects, subject, token.created, token.member)
    if death_of(token.old_member) == 'inf' then shrink_index(index, subjects, subject) end
    redis.call('ZADD', token.siblings, 'XX', death_of(token.member), token.id)
    expire_with_last(token.siblings)
  end
  set_until(token.record, token.bytes, token.purge)
end

local function write_mark()
  if mark_until ~= '' then set_until(mark, mark_value, mark_until) end
end
`;

export const INSERT = `#!lua
${WRITE}
local token, change = read_token(1), #KEYS > 10 and read_token(2)
local cap = tonumber(ARGV[#ARGV])
local has_parent = token.parent ~= token.record

if is_repeated() then return 'repeated' end
local known = redis.call('GET', token.record)
if known then return known == token.bytes and 'inserted' or 'id-taken' end
if redis.call('EXISTS', pause) == 1 then return 'paused' end
if has_parent and redis.call('EXISTS', token.parent) == 0 then return 'parent-gone' end
local refusal = change and refuse_change(change)
if refusal then return refusal end
if token.label_until ~= '' and is_label_taken(token, change) then return 'label-taken' end
if token.place_until ~= '' and count_places(token, change) >= cap then return 'cap-reached' end

for _, other in ipairs(redis.call('ZRANDMEMBER', index, 16)) do
  if not is_after(death_of(other), now) then redis.call('ZREM', index, other) end
end
drop_dead(subjects, now)
redis.call('ZREMRANGEBYSCORE', token.places, '-inf', now)
if change then write_change(change) end
add_to_index(index, subjects, subject, token.created, token.member)
write_holdings(token)
if has_parent then
  drop_dead(token.siblings, now)
  redis.call('ZADD', token.siblings, death_of(token.member), token.id)
  expire_with_last(token.siblings)
end
set_until(token.record, token.bytes, token.purge)
write_mark()
redis.call('PUBLISH', 'lk:changes', 'changed ' .. (change and change.id .. ' ' or '') .. token.id)
return 'inserted'
`;

export const REPLACE = `#!lua flags=allow-oom
${WRITE}
local token = read_token(1)

if is_repeated() then return 'repeated' end
if redis.call('EXISTS', pause) == 1 then return 'paused' end
local refusal = refuse_change(token)
if refusal then return refusal end

write_change(token)
write_mark()
redis.call('PUBLISH', 'lk:changes', 'changed ' .. token.id)
return 'replaced'
`;
