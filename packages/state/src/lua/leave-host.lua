#!lua flags=allow-oom
-- Releases the lease of a worker that leaves. A host without attempts is purged, unless it has an operator's settings or open tasks.
-- KEYS[1] host  KEYS[2] lease  KEYS[3] held attempts  KEYS[4] desired
-- ARGV: prefix, name, incarnation, '1' if it leaves because it was drained, which ends its cordon and drain
-- out: 0 left, -1 the incarnation doesn't hold the lease
-- @include host-tasks
-- @include host-life
local prefix, name = ARGV[1], ARGV[2]
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return -1 end
redis.call('DEL', KEYS[2])
if redis.call('HLEN', KEYS[3]) == 0 then
  if redis.call('HEXISTS', KEYS[4], 'removing') == 1 then
    removeHost(prefix, name)
  else
    if ARGV[4] == '1' then redis.call('HDEL', KEYS[4], 'cordoned', 'drainSince', 'drainDeadline') end
    redis.call('HSET', KEYS[1], 'left', '1')
    purgeIfLeft(prefix, name)
  end
end
announceHost(prefix, name)
return 0
