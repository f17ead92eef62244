#!lua flags=allow-oom
-- Appends an audit entry. Ids come from Redis' clock and ascend across both streams, even if that clock steps back.
-- KEYS[1] stream to append to  KEYS[2] last id
-- ARGV: entry, limit on the stream's entries ('' for none)
-- out: the entry's id, '<ms>-<number>'
local time = redis.call('TIME')
local ms = time[1] * 1000 + math.floor(time[2] / 1000)
local number = 0
local last = redis.call('GET', KEYS[2])
if last then
  local lastMs, lastNumber = string.match(last, '^(%d+)-(%d+)$')
  if tonumber(lastMs) >= ms then
    ms = tonumber(lastMs)
    number = tonumber(lastNumber) + 1
  end
end
local id = string.format('%.0f-%.0f', ms, number)
redis.call('SET', KEYS[2], id)
if ARGV[2] == '' then
  redis.call('XADD', KEYS[1], id, 'e', ARGV[1])
else
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], id, 'e', ARGV[1])
end
return id
