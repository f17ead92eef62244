-- Replaces or removes a schedule, unless it changed since it was read.
-- KEYS[1] schedules  KEYS[2] their names  KEYS[3] their last runs
-- ARGV: id, doc as read, new doc ('' to remove it), '<team>/<name>'
-- out: 0 done, -1 gone, -2 it changed since
local held = redis.call('HGET', KEYS[1], ARGV[1])
if not held then return -1 end
if held ~= ARGV[2] then return -2 end
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  return 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[4])
redis.call('HDEL', KEYS[3], ARGV[1])
return 0
