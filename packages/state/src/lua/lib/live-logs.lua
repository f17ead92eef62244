-- Live logs in Redis, by their size. `logs:live` holds, for each log `<build id>:<attempt>`, the bytes of its records here;
-- `logs:live:bytes` their sum; `logs:waiting` those whose writer has to wait for room.

-- What an entry of a stream takes beside its records, about.
local ENTRY_BYTES = 32

-- countLive(prefix, log, bytes): a log has grown, or by a negative number shrunk.
local function countLive(prefix, log, bytes)
  local before = tonumber(redis.call('ZSCORE', prefix .. 'logs:live', log) or '0')
  -- A log that an older version began was not counted from its first record on.
  local after = math.max(0, before + bytes)
  redis.call('ZADD', prefix .. 'logs:live', after, log)
  redis.call('INCRBY', prefix .. 'logs:live:bytes', string.format('%d', after - before))
end

-- removeLive(prefix, log): the log is live no longer.
local function removeLive(prefix, log)
  local before = tonumber(redis.call('ZSCORE', prefix .. 'logs:live', log) or '0')
  redis.call('ZREM', prefix .. 'logs:live', log)
  redis.call('SREM', prefix .. 'logs:waiting', log)
  redis.call('INCRBY', prefix .. 'logs:live:bytes', string.format('%d', -before))
end
