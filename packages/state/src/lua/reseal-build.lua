-- Puts a build's own secrets under another key, for as long as they were to be kept.
-- KEYS[1] build's secrets
-- ARGV: sealed as they were read, as they are to be
-- out: 1 replaced, 0 not
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
