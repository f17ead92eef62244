#!lua flags=allow-oom
-- Gives a worker the next task of its host: one that waits, or that another incarnation was running and has left unfinished.
-- KEYS[1] host's open tasks  KEYS[2] host's lease
-- ARGV: prefix, host, incarnation, now (ms), types that the worker can carry out, separated by commas,
--       ids of the tasks that it runs already, separated by commas
-- out: false if there is none, -3 the host's lease is over, or another incarnation's, else the task's fields: field, value, …
-- @include host-tasks
local prefix, host, incarnation = ARGV[1], ARGV[2], ARGV[3]
if redis.call('GET', KEYS[2]) ~= incarnation then return -3 end
local types, running = {}, {}
for each in string.gmatch(ARGV[5], '[^,]+') do types[each] = true end
for each in string.gmatch(ARGV[6], '[^,]+') do running[each] = true end
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local key = prefix .. 'task:' .. id
  local task = redis.call('HMGET', key, 'type', 'state')
  if not task[1] then
    redis.call('ZREM', KEYS[1], id)
  elseif types[task[1]] and not running[id] then
    redis.call('HSET', key, 'state', 'running', 'incarnation', incarnation, 'startedAt', ARGV[4])
    redis.call('HDEL', key, 'progress')
    announceTask(prefix, id, host)
    return redis.call('HGETALL', key)
  end
end
return false
