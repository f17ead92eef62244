-- Replaces a build's sealed secrets by ones sealed with another key, unless they changed meanwhile. Their expiry stays.
-- KEYS[1] build's secrets
-- ARGV: sealed secrets as read, new sealed secrets
-- out: 1 replaced, 0 not
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
