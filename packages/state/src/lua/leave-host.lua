#!lua flags=allow-oom
-- A worker leaves: gives up its lease. A host that holds nothing is forgotten, unless an operator's settings are kept for it.
-- KEYS[1] host  KEYS[2] lease  KEYS[3] held attempts  KEYS[4] desired
-- ARGV: prefix, name, incarnation, '1' where it leaves because it was drained: cordon and drain have done their work
-- out: 0 left, -1 not the holder
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
