#!lua flags=allow-oom
-- Drains a host for an operator: it gets no new builds, and finishes those that it holds or hands them back at the deadline.
-- Repeating the order replaces the deadline.
-- KEYS[1] hosts  KEYS[2] desired
-- ARGV: prefix, name, deadline (ms from now) or ''
-- out: 0 draining, -1 no such host
-- @include host-tasks
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
