-- Adds evictions of a host; the oldest ones beyond the limit are forgotten.
-- KEYS[1] evictions  KEYS[2] host's lease
-- ARGV: incarnation, limit, evictions as JSON …
-- out: 0 added, -3 the host's lease is over, or another incarnation's
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return -3 end
for i = 3, #ARGV do redis.call('LPUSH', KEYS[1], ARGV[i]) end
redis.call('LTRIM', KEYS[1], 0, tonumber(ARGV[2]) - 1)
return 0
