-- Replaces the cache usage of a repo. Beyond the limit on repos, the least recently built ones are removed.
-- KEYS[1] usages  KEYS[2] usages by revision  KEYS[3] revision  KEYS[4] host's lease
-- ARGV: repo, usage as read ('' for none), new usage, limit on repos, incarnation
-- out: 0 written, -2 it changed since, -3 the host's lease is over, or another incarnation's
if redis.call('GET', KEYS[4]) ~= ARGV[5] then return -3 end
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return -2 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[2], redis.call('INCR', KEYS[3]), ARGV[1])
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[4])
if over > 0 then
  for _, repo in ipairs(redis.call('ZRANGE', KEYS[2], 0, over - 1)) do redis.call('HDEL', KEYS[1], repo) end
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, over - 1)
end
return 0
