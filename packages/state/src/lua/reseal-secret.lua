-- Replaces the sealed value of a secret by one sealed with another key, unless it was set or resealed meanwhile.
-- KEYS[1] team's secrets  KEYS[2] their values
-- ARGV: field, sealed value as read, new sealed value, new doc
-- out: 1 replaced, 0 not
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
return 1
