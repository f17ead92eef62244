#!lua flags=allow-oom
-- Removes a host from the pool for an operator.
-- KEYS[1] hosts  KEYS[2] desired  KEYS[3] held attempts
-- ARGV: prefix, name, force ('1' or '0')
-- out: 0 removed, 1 forced: it hands its attempts back first and is removed when it has none, -1 no such host, -2 it holds attempts
-- @include host-tasks
-- @include host-life
local prefix, name = ARGV[1], ARGV[2]
if redis.call('SISMEMBER', KEYS[1], name) == 0 then return -1 end
local isEmpty = redis.call('HLEN', KEYS[3]) == 0
if not isEmpty and ARGV[3] ~= '1' then return -2 end
if isEmpty then
  removeHost(prefix, name)
else
  local now = serverNow()
  redis.call('HSET', KEYS[2], 'cordoned', '1', 'drainDeadline', now, 'removing', '1')
  redis.call('HSETNX', KEYS[2], 'drainSince', now)
end
announceHost(prefix, name)
return isEmpty and 0 or 1
