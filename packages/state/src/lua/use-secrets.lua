#!lua flags=allow-oom
-- Notes that a build got secrets; not where that was noted a little while ago, or they were removed meanwhile.
-- KEYS[1] team's secrets  KEYS[2] their uses
-- ARGV: now (ms), how long one note holds (ms), then fields
-- out: how many were noted
local noted = 0
for i = 3, #ARGV do
  local before = tonumber(redis.call('HGET', KEYS[2], ARGV[i]) or '0')
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 and tonumber(ARGV[1]) - before >= tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[1])
    noted = noted + 1
  end
end
return noted
