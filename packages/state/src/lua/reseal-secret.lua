-- Puts the same value under another key; a value that was set or sealed anew meanwhile stays.
-- KEYS[1] team's secrets  KEYS[2] their values
-- ARGV: field, sealed value as it was read, as it is to be, doc as it is to be
-- out: 1 replaced, 0 not
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
return 1
