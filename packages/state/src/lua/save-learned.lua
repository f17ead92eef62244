-- Stores what placement has learned. Beyond the limit on repos, the least recently changed ones are removed.
-- KEYS[1] leader's token  KEYS[2] learned of the pool  KEYS[3] learned of repos  KEYS[4] repos by their last change
-- ARGV: fencing token, the pool's doc, now (ms), limit on repos, then for each changed repo: name, doc
-- out: 0 saved, -4 not the leader
-- @include server-run
-- @include leads
if not leads(KEYS[1], ARGV[1]) then return -4 end
redis.call('SET', KEYS[2], ARGV[2])
for i = 5, #ARGV, 2 do
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[4], ARGV[3], ARGV[i])
end
local excess = redis.call('ZCARD', KEYS[4]) - tonumber(ARGV[4])
if excess > 0 then
  for _, repo in ipairs(redis.call('ZRANGE', KEYS[4], 0, excess - 1)) do
    redis.call('HDEL', KEYS[3], repo)
    redis.call('ZREM', KEYS[4], repo)
  end
end
return 0
