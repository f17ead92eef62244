#!lua flags=allow-oom
-- Takes, renews or gives up the scheduler's lease. Each new holder gets another token, '<number>-<random>'; writes with an older one are
-- refused. The number grows, and is never below the clock's microseconds: where a failover of Redis, or a restored backup, has lost
-- tokens, none of them comes again.
-- KEYS[1] lease  KEYS[2] token's number; its :fence is the whole token
-- ARGV: owner, ttl (ms), random; a ttl of 0 gives the lease up
-- out: the token while `owner` leads, '' otherwise
-- @include never-again
local holder = redis.call('GET', KEYS[1])
if tonumber(ARGV[2]) == 0 then
  if holder == ARGV[1] then redis.call('DEL', KEYS[1]) end
  return ''
end
if holder and holder ~= ARGV[1] then return '' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local fence = redis.call('GET', KEYS[2] .. ':fence')
-- The number alone is counted up by leaders of older versions.
if holder and fence and string.match(fence, '^(%d+)-') == redis.call('GET', KEYS[2]) then return fence end
local number = neverAgain(redis.call('GET', KEYS[2]))
redis.call('SET', KEYS[2], number)
redis.call('SET', KEYS[2] .. ':fence', number .. '-' .. ARGV[3])
return number .. '-' .. ARGV[3]
