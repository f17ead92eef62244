-- A worker leaves: gives up its lease, and its record where it holds nothing.
-- KEYS[1] host  KEYS[2] lease  KEYS[3] held attempts  KEYS[4] hosts
-- ARGV: prefix, name, incarnation
-- out: 0 left, -1 not the holder
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return -1 end
redis.call('DEL', KEYS[2])
if redis.call('HLEN', KEYS[3]) == 0 then
  redis.call('SREM', KEYS[4], ARGV[2])
  redis.call('DEL', KEYS[1], KEYS[1] .. ':past', KEYS[1] .. ':inventory')
end
redis.call('XADD', ARGV[1] .. 'events', 'MAXLEN', '~', 20000, '*', 'type', 'host', 'host', ARGV[2])
return 0
