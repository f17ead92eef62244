-- Publishes the cache inventory of a host. If it is unchanged, only the time of reading is written.
-- KEYS[1] inventory  KEYS[2] host's lease
-- ARGV: prefix, host, incarnation, digest, time of reading (ms), inventory as JSON, or '' if it should be stored already
-- out: 0 written, 1 unchanged, -1 it isn't stored: send it, -3 the host's lease is over, or another incarnation's
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return -3 end
if redis.call('HGET', KEYS[1], 'digest') == ARGV[4] then
  redis.call('HSET', KEYS[1], 'readAt', ARGV[5])
  return 1
end
if ARGV[6] == '' then return -1 end
redis.call('HSET', KEYS[1], 'digest', ARGV[4], 'readAt', ARGV[5], 'doc', ARGV[6])
redis.call('XADD', ARGV[1] .. 'events', 'MAXLEN', '~', 20000, '*', 'type', 'caches', 'host', ARGV[2])
return 0
