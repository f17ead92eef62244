-- endLog(prefix, id, attempt, record, at): appends an attempt's last record and notes the log as unarchived. The end of an attempt and
-- of its log are one write, so a reader that has seen one can rely on the other. Needs live-logs.
local function endLog(prefix, id, attempt, record, at)
  local log = id .. ':' .. attempt
  local key = prefix .. 'log:' .. log
  local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)
  local seq = 0
  if last[1] then seq = tonumber(string.match(last[1][1], '^(%d+)')) end
  redis.call('XADD', key, string.format('%d-1', seq + 1), 'r', record)
  countLive(prefix, log, #record + ENTRY_BYTES)
  redis.call('SREM', prefix .. 'logs:waiting', log)
  redis.call('ZADD', prefix .. 'logs:unarchived', at, log)
end
