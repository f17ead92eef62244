#!lua flags=allow-oom
-- Takes, renews or gives up the scheduler's lease. Each new holder gets a higher token; writes of an older one are refused.
-- KEYS[1] lease  KEYS[2] token
-- ARGV: owner, ttl (ms); a ttl of 0 gives the lease up
-- out: the token while `owner` leads, 0 otherwise
local holder = redis.call('GET', KEYS[1])
if tonumber(ARGV[2]) == 0 then
  if holder == ARGV[1] then redis.call('DEL', KEYS[1]) end
  return 0
end
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return tonumber(redis.call('GET', KEYS[2]))
end
if holder then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return redis.call('INCR', KEYS[2])
