-- Accepts a build: record, pending index, list indexes, sealed secrets, idempotency key and event, all or nothing.
-- KEYS[1] build  KEYS[2] idempotency key (or the build's key again where none is given)
-- ARGV: prefix, id, doc, spec, createdAt, team, repo digest, sealed secrets or '', idempotency value or '', its ttl (ms)
-- out: 'accepted', or what the idempotency key held: '<build id> <fingerprint>'
local prefix, id = ARGV[1], ARGV[2]
if ARGV[9] ~= '' then
  local held = redis.call('GET', KEYS[2])
  if held then return held end
  redis.call('SET', KEYS[2], ARGV[9], 'PX', ARGV[10])
end
redis.call('HSET', KEYS[1], 'rev', 1, 'state', 'queued', 'attempt', 0, 'host', '', 'incarnation', '', 'cancel', '0',
  'doc', ARGV[3], 'spec', ARGV[4])
if ARGV[8] ~= '' then redis.call('SET', prefix .. 'build:' .. id .. ':secrets', ARGV[8]) end
redis.call('ZADD', prefix .. 'pending', ARGV[5], id)
redis.call('ZADD', prefix .. 'idx:all', 0, id)
redis.call('ZADD', prefix .. 'idx:state:queued', 0, id)
redis.call('ZADD', prefix .. 'idx:team:' .. ARGV[6], 0, id)
redis.call('ZADD', prefix .. 'idx:repo:' .. ARGV[7], 0, id)
redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', 20000, '*', 'type', 'build', 'id', id, 'state', 'queued',
  'revision', 1, 'attempt', 0, 'host', '')
return 'accepted'
