// Notes the last uses of tokens: the precision in ARGV 1, then a time for each record in KEYS. Patches their bytes, which is a
// fraction of the work of a replacement, and can't undo one. `record.ts` tells what lies where: the version in bytes 1 to 4, a mark
// in the lowest bits of byte 5, a millisecond more than the time in bytes 6 to 11, 0 for never. Answers the places of those that are
// packed otherwise.
export const NOTE_USES = `#!lua flags=allow-oom
local precision = tonumber(ARGV[1])
local others = {}
for place, record in ipairs(KEYS) do
  local head = redis.call('GETRANGE', record, 0, 11)
  if #head == 12 and head:byte(6) % 8 == 7 then
    local version, known = struct.unpack('<I4', head, 2), struct.unpack('>I6', head, 7)
    local time = tonumber(ARGV[place + 1]) + 1
    if known == 0 or time - known >= precision then
      local patch = struct.pack('<I4', version + 1) .. head:sub(6, 6) .. struct.pack('>I6', time)
      redis.call('SETRANGE', record, 1, patch)
    end
  elseif #head > 0 then
    others[#others + 1] = place
  end
end
return others
`;
