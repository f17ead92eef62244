-- Notes that a token was used; writes nothing where that was noted a little while ago, or the token was revoked meanwhile.
-- KEYS[1] token
-- ARGV: now (ms), how long one note holds (ms)
-- out: 1 noted, 0 not
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local before = tonumber(redis.call('HGET', KEYS[1], 'usedAt') or '0')
if tonumber(ARGV[1]) - before < tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'usedAt', ARGV[1])
return 1
