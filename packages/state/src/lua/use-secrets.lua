#!lua flags=allow-oom
-- Records that a build got secrets, except for those where that was recorded recently, or which were removed meanwhile.
-- KEYS[1] team's secrets  KEYS[2] their uses
-- ARGV: now (ms), least time between two records (ms), then fields
-- out: how many were recorded
local recorded = 0
for i = 3, #ARGV do
  local before = tonumber(redis.call('HGET', KEYS[2], ARGV[i]) or '0')
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 and tonumber(ARGV[1]) - before >= tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[1])
    recorded = recorded + 1
  end
end
return recorded
