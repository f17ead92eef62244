-- Functions for the life of hosts; need host-tasks. A host's keys are its record and :lease, :held, :past, :removed, :desired, :inventory,
-- :idle, :tasks, :savings, :evictions.

-- announceHost(prefix, name): announces that something about the host has changed, to schedulers and to its worker.
local function announceHost(prefix, name)
  redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', 20000, '*', 'type', 'host', 'host', name)
end

-- serverNow(): ms since the epoch by Redis' clock, the only one by which deadlines are set and compared.
local function serverNow()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- purgeHost(prefix, name): purges a host that holds no attempts, and fails its open tasks; an operator's settings stay.
local function purgeHost(prefix, name)
  local key = prefix .. 'host:' .. name
  failTasks(prefix, name, serverNow())
  redis.call('SREM', prefix .. 'hosts', name)
  redis.call('DEL', key, key .. ':lease', key .. ':held', key .. ':past', key .. ':inventory', key .. ':idle',
    key .. ':tasks', key .. ':savings', key .. ':evictions')
end

-- removeHost(prefix, name): removes a host that holds no attempts from the pool, with its settings. Its worker and earlier ones are
-- refused from then on, or the next report would make the host join again; those without an epoch only for a day.
local function removeHost(prefix, name)
  local key = prefix .. 'host:' .. name
  local epoch = redis.call('HGET', key, 'epoch')
  if epoch then redis.call('HSET', prefix .. 'hosts:removed', name, epoch) end
  local incarnation = redis.call('HGET', key, 'incarnation')
  redis.call('SUNIONSTORE', key .. ':removed', key .. ':removed', key .. ':past')
  if incarnation then redis.call('SADD', key .. ':removed', incarnation) end
  redis.call('EXPIRE', key .. ':removed', 86400)
  redis.call('DEL', key .. ':desired')
  redis.call('HDEL', prefix .. 'hosts:departed', name)
  purgeHost(prefix, name)
end

-- purgeIfLeft(prefix, name): purges a host whose worker has left, unless it has an operator's settings or open tasks. Its report is kept for
-- an hour: the worker may be restarting, and until then the pool counts as having such a host.
local function purgeIfLeft(prefix, name)
  local key = prefix .. 'host:' .. name
  if redis.call('HGET', key, 'left') == '1' and redis.call('EXISTS', key .. ':desired', key .. ':tasks') == 0 then
    local report = redis.call('HGET', key, 'report')
    if report then
      redis.call('HSET', prefix .. 'hosts:departed', name, serverNow() .. ' ' .. report)
      redis.call('PEXPIRE', prefix .. 'hosts:departed', 3600000)
    end
    purgeHost(prefix, name)
  end
end

-- wasRemoved(prefix, name, incarnation, epoch): whether the host was removed after the worker process of this epoch had joined.
local function wasRemoved(prefix, name, incarnation, epoch)
  local last = tonumber(redis.call('HGET', prefix .. 'hosts:removed', name) or '')
  if epoch and last and epoch <= last then return true end
  return redis.call('SISMEMBER', prefix .. 'host:' .. name .. ':removed', incarnation) == 1
end
