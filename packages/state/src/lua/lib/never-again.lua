-- neverAgain(last): a number above `last` that is at least the microseconds since the epoch by this server's clock, as text. A server that
-- has lost the newest of them goes on beyond them all the same, for they were made earlier.
local function neverAgain(last)
  local time = redis.call('TIME')
  return string.format('%.0f', math.max((tonumber(last) or 0) + 1, time[1] * 1000000 + time[2]))
end
