// What the scripts that write tokens have in common. Times are milliseconds as text, `inf` for never, empty for what a token
// does not hold at all. All values come in ARGV, never in the text of a script.

// The score of a set of times is when its member dies; an index is scored by creation and tells the death in its members.
export const COMMON = `
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
  for _, member in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    local death = death_of(member)
    if death == 'inf' then return death end
    last = math.max(last, death)
  end
  return last
end

-- After a permanent token left an index: the rest may have an end. To look at very many would keep others waiting, so their index
-- stays as it is until it is smaller, or goes with its last member.
local function shrink_index(index, subjects, subject)
  if redis.call('ZCARD', index) > 2000 then return end
  local last = last_death(index)
  if last == 'inf' then return end
  expire_at(index, last)
  redis.call('ZADD', subjects, last, subject)
  expire_with_last(subjects)
end
`;
