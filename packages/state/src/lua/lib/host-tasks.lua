-- Functions for tasks of hosts. A task is the hash task:<id>; while it waits or runs its id is in host:<name>:tasks.

-- announceTask(prefix, id, host): announces that a task has changed.
local function announceTask(prefix, id, host)
  redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', 20000, '*', 'type', 'task', 'id', id, 'host', host)
end

-- endTask(prefix, id, host, state, outcome, now): ends a task as 'succeeded' with a result, or as 'failed' with a failure, both JSON.
local function endTask(prefix, id, host, state, outcome, now)
  local key = prefix .. 'task:' .. id
  redis.call('HSET', key, 'state', state, state == 'succeeded' and 'result' or 'failure', outcome, 'endedAt', now)
  -- Evaluations carry files, and their result is read at once.
  redis.call('EXPIRE', key, redis.call('HGET', key, 'type') == 'evaluate' and 600 or 86400)
  redis.call('ZREM', prefix .. 'host:' .. host .. ':tasks', id)
  announceTask(prefix, id, host)
end

-- failTasks(prefix, host, now): ends all open tasks of a host that is removed.
local function failTasks(prefix, host, now)
  for _, id in ipairs(redis.call('ZRANGE', prefix .. 'host:' .. host .. ':tasks', 0, -1)) do
    if redis.call('EXISTS', prefix .. 'task:' .. id) == 1 then
      local failure = '{"code":"host_removed","message":"the host was removed from the pool before it had done this"}'
      endTask(prefix, id, host, 'failed', failure, now)
    end
  end
end
