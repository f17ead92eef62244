#!lua flags=allow-oom
-- Acquires, renews or releases the scheduler's lease. Each new holder gets a new fencing token, '<number>-<random>', and writes with an
-- older one are refused. The number grows and is at least the clock's microseconds, so no token repeats even if a failover of Redis
-- or a restored backup has lost the newest ones.
-- KEYS[1] lease  KEYS[2] the token's number; beside it :fence, the whole token, and :server, the server process that leaders know
-- ARGV: owner, ttl (ms; 0 to release), random
-- out: '' while another owner leads; else { token, id of the server process, ms since a leader first saw it replace another one,
--      or '-' if it never did }
-- @include never-again
-- @include server-run
local holder = redis.call('GET', KEYS[1])
if tonumber(ARGV[2]) == 0 then
  if holder == ARGV[1] then redis.call('DEL', KEYS[1]) end
  return ''
end
if holder and holder ~= ARGV[1] then return '' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local server = redis.call('HMGET', KEYS[2] .. ':server', 'run', 'since')
if server[1] ~= serverRun() then
  server[2] = server[1] and string.format('%.0f', now) or '-'
  redis.call('HSET', KEYS[2] .. ':server', 'run', serverRun(), 'since', server[2])
end
local ago = server[2] == '-' and '-' or string.format('%.0f', math.max(0, now - server[2]))
local fence = redis.call('GET', KEYS[2] .. ':fence')
-- Leaders of older versions increment only the number.
if not holder or not fence or string.match(fence, '^(%d+)-') ~= redis.call('GET', KEYS[2]) then
  local number = neverAgain(redis.call('GET', KEYS[2]))
  fence = number .. '-' .. ARGV[3]
  redis.call('SET', KEYS[2], number)
  redis.call('SET', KEYS[2] .. ':fence', fence)
end
return { fence, serverRun(), ago }
