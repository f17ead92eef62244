-- Records that a token was used, unless that was recorded recently or the token was revoked meanwhile.
-- KEYS[1] token
-- ARGV: now (ms), least time between two records (ms)
-- out: 1 recorded, 0 not
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local before = tonumber(redis.call('HGET', KEYS[1], 'usedAt') or '0')
if tonumber(ARGV[1]) - before < tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'usedAt', ARGV[1])
return 1
