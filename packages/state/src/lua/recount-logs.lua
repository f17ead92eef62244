#!lua flags=allow-oom
-- Recalculates the total size of live logs, and removes logs whose stream is gone.
-- KEYS[1] live logs by size  KEYS[2] their total  KEYS[3] waiting logs
-- ARGV: prefix
-- out: how many were removed
local sum, removed = 0, 0
local logs = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #logs, 2 do
  if redis.call('EXISTS', ARGV[1] .. 'log:' .. logs[i]) == 0 then
    redis.call('ZREM', KEYS[1], logs[i])
    redis.call('SREM', KEYS[3], logs[i])
    removed = removed + 1
  else
    sum = sum + tonumber(logs[i + 1])
  end
end
redis.call('SET', KEYS[2], string.format('%d', sum))
return removed
