#!lua flags=allow-oom
-- An operator's order: the host gets nothing new and finishes what it holds, or hands it back at the deadline. Asked again,
-- the new deadline holds.
-- KEYS[1] hosts  KEYS[2] desired
-- ARGV: prefix, name, deadline (ms from now) or ''
-- out: 0 draining, -1 no such host
-- @include host-life
if redis.call('SISMEMBER', KEYS[1], ARGV[2]) == 0 then return -1 end
local now = serverNow()
redis.call('HSET', KEYS[2], 'cordoned', '1')
redis.call('HSETNX', KEYS[2], 'drainSince', now)
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[2], 'drainDeadline')
else
  redis.call('HSET', KEYS[2], 'drainDeadline', now + tonumber(ARGV[3]))
end
announceHost(ARGV[1], ARGV[2])
return 0
