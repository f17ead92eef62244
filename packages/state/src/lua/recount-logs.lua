#!lua flags=allow-oom
-- Sets the sum of live logs to what they add up to, and drops logs whose stream is gone.
-- KEYS[1] logs by size  KEYS[2] their sum  KEYS[3] logs that wait
-- ARGV: prefix
-- out: how many were dropped
local sum, dropped = 0, 0
local logs = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #logs, 2 do
  if redis.call('EXISTS', ARGV[1] .. 'log:' .. logs[i]) == 0 then
    redis.call('ZREM', KEYS[1], logs[i])
    redis.call('SREM', KEYS[3], logs[i])
    dropped = dropped + 1
  else
    sum = sum + tonumber(logs[i + 1])
  end
end
redis.call('SET', KEYS[2], string.format('%d', sum))
return dropped
