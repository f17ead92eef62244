-- Creates a task of a host, which brings its next report forward.
-- KEYS[1] task  KEYS[2] host's open tasks  KEYS[3] tasks  KEYS[4] hosts  KEYS[5] leader's token
-- ARGV: prefix, id, host, type, task as JSON, now (ms), limit on open tasks of a host,
--       fencing token of the leader that creates it ('' if a user or worker creates it)
-- out: 0 created, or it was by an earlier call, -1 no such host, -2 too many open tasks, -4 not the leader
-- @include server-run
-- @include leads
-- @include host-tasks
-- @include host-life
local prefix, id, host = ARGV[1], ARGV[2], ARGV[3]
if ARGV[8] ~= '' and not leads(KEYS[5], ARGV[8]) then return -4 end
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
if redis.call('SISMEMBER', KEYS[4], host) == 0 then return -1 end
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[7]) then return -2 end
redis.call('HSET', KEYS[1], 'doc', ARGV[5], 'host', host, 'type', ARGV[4], 'state', 'waiting')
redis.call('ZADD', KEYS[2], ARGV[6], id)
redis.call('ZADD', KEYS[3], ARGV[6], id)
-- Ended tasks expire; their ids are removed as new ones come.
for _, old in ipairs(redis.call('ZRANGE', KEYS[3], 0, 19)) do
  if redis.call('EXISTS', prefix .. 'task:' .. old) == 0 then redis.call('ZREM', KEYS[3], old) end
end
announceTask(prefix, id, host)
announceHost(prefix, host)
return 0
