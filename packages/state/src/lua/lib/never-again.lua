-- neverAgain(last): a number above `last` and at least the microseconds since the epoch by this server's clock, as text. Even a server
-- that lost the newest numbers never repeats them, because they were made earlier.
local function neverAgain(last)
  local time = redis.call('TIME')
  return string.format('%.0f', math.max((tonumber(last) or 0) + 1, time[1] * 1000000 + time[2]))
end
