-- What the scripts of a host's life share. A host's own keys are its record, :lease, :held, :past, :removed, :desired, :inventory, :idle.

-- Tells schedulers and the host's own worker that something about the host has changed.
local function announceHost(prefix, name)
  redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', 20000, '*', 'type', 'host', 'host', name)
end

-- Ms since the epoch by Redis' own clock: deadlines are set and read by it alone, so that nobody else's matters.
local function serverNow()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Takes a host that holds nothing off the list; its operators' settings stay.
local function purgeHost(prefix, name)
  local key = prefix .. 'host:' .. name
  redis.call('SREM', prefix .. 'hosts', name)
  redis.call('DEL', key, key .. ':lease', key .. ':held', key .. ':past', key .. ':inventory', key .. ':idle')
end

-- Takes a host that holds nothing out of the pool for good, settings and all. Its worker, and those before it, are refused from
-- then on: a worker that doesn't know yet would join again by its next report. Those of versions without epochs for a day.
local function removeHost(prefix, name)
  local key = prefix .. 'host:' .. name
  local epoch = redis.call('HGET', key, 'epoch')
  if epoch then redis.call('HSET', prefix .. 'hosts:removed', name, epoch) end
  local incarnation = redis.call('HGET', key, 'incarnation')
  redis.call('SUNIONSTORE', key .. ':removed', key .. ':removed', key .. ':past')
  if incarnation then redis.call('SADD', key .. ':removed', incarnation) end
  redis.call('EXPIRE', key .. ':removed', 86400)
  redis.call('DEL', key .. ':desired')
  purgeHost(prefix, name)
end

-- A host whose worker has left is listed only for its settings' sake: without any it is forgotten.
local function purgeIfLeft(prefix, name)
  local key = prefix .. 'host:' .. name
  if redis.call('HGET', key, 'left') == '1' and redis.call('EXISTS', key .. ':desired') == 0 then
    purgeHost(prefix, name)
  end
end

-- Whether an operator took the host out of the pool since the worker process of this epoch, or of a later one, joined.
local function wasRemoved(prefix, name, incarnation, epoch)
  local last = tonumber(redis.call('HGET', prefix .. 'hosts:removed', name) or '')
  if epoch and last and epoch <= last then return true end
  return redis.call('SISMEMBER', prefix .. 'host:' .. name .. ':removed', incarnation) == 1
end
