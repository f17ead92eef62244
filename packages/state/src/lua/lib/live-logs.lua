-- The size of live logs in Redis. `logs:live` has the bytes of each log, `<build id>:<attempt>`; `logs:live:bytes` is their total;
-- `logs:waiting` contains the logs whose writer waits for room.

-- About the memory that an entry of a stream takes beside its records.
local ENTRY_BYTES = 32

-- countLive(prefix, log, bytes): adds `bytes`, which may be negative, to the size of a log.
local function countLive(prefix, log, bytes)
  local before = tonumber(redis.call('ZSCORE', prefix .. 'logs:live', log) or '0')
  -- The first records of a log that an older version began weren't counted.
  local after = math.max(0, before + bytes)
  redis.call('ZADD', prefix .. 'logs:live', after, log)
  redis.call('INCRBY', prefix .. 'logs:live:bytes', string.format('%d', after - before))
end

-- removeLive(prefix, log): removes a log that is no longer live.
local function removeLive(prefix, log)
  local before = tonumber(redis.call('ZSCORE', prefix .. 'logs:live', log) or '0')
  redis.call('ZREM', prefix .. 'logs:live', log)
  redis.call('SREM', prefix .. 'logs:waiting', log)
  redis.call('INCRBY', prefix .. 'logs:live:bytes', string.format('%d', -before))
end
