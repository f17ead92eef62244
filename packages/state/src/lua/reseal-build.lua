-- Replaces a build's sealed secrets or logins by ones sealed with another key, unless they changed meanwhile. Their expiry stays.
-- KEYS[1] build's secrets or logins
-- ARGV: sealed value as read, new sealed value
-- out: 1 replaced, 0 not
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
