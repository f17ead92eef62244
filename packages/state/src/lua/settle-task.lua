#!lua flags=allow-oom
-- Ends a running task. Repeating it changes nothing.
-- KEYS[1] task  KEYS[2] host's lease  KEYS[3] host's open tasks
-- ARGV: prefix, id, host, incarnation, result or failure as JSON, 'succeeded' or 'failed', now (ms)
-- out: 0 ended, -1 it isn't this incarnation's any more, -3 the host's lease is over, or another incarnation's
-- @include host-tasks
local incarnation = ARGV[4]
if redis.call('GET', KEYS[2]) ~= incarnation then return -3 end
local task = redis.call('HMGET', KEYS[1], 'state', 'incarnation')
if task[2] ~= incarnation then return -1 end
if task[1] == 'running' then endTask(ARGV[1], ARGV[2], ARGV[3], ARGV[6], ARGV[5], ARGV[7]) end
return 0
