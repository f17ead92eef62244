#!lua flags=allow-oom
-- Records how far a running task is.
-- KEYS[1] task  KEYS[2] host's lease
-- ARGV: prefix, id, host, incarnation, progress as JSON
-- out: 0 recorded, -1 it isn't this incarnation's any more, -3 the host's lease is over, or another incarnation's
-- @include host-tasks
if redis.call('GET', KEYS[2]) ~= ARGV[4] then return -3 end
local task = redis.call('HMGET', KEYS[1], 'state', 'incarnation')
if task[1] ~= 'running' or task[2] ~= ARGV[4] then return -1 end
redis.call('HSET', KEYS[1], 'progress', ARGV[5])
announceTask(ARGV[1], ARGV[2], ARGV[3])
return 0
