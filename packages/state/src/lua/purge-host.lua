#!lua flags=allow-oom
-- Completes the removal of a host without a lease, or purges a host that was lost long enough ago.
-- KEYS[1] host  KEYS[2] lease  KEYS[3] held attempts  KEYS[4] desired
-- ARGV: prefix, name, purge it if last seen before (ms)
-- out: 0 purged, -1 it has a lease or holds attempts, -2 kept: it has an operator's settings, or was seen too recently and has not left,
--      or has open tasks
-- @include host-tasks
-- @include host-life
local prefix, name = ARGV[1], ARGV[2]
if redis.call('EXISTS', KEYS[2]) == 1 or redis.call('HLEN', KEYS[3]) > 0 then return -1 end
if redis.call('HEXISTS', KEYS[4], 'removing') == 1 then
  removeHost(prefix, name)
elseif redis.call('EXISTS', KEYS[4]) == 1 then
  return -2
else
  local host = redis.call('HMGET', KEYS[1], 'left', 'lastSeenAt')
  local isWanted = host[1] ~= '1' or redis.call('EXISTS', KEYS[1] .. ':tasks') == 1
  if isWanted and tonumber(host[2] or 0) >= tonumber(ARGV[3]) then return -2 end
  purgeHost(prefix, name)
end
announceHost(prefix, name)
return 0
