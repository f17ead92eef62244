-- Stores a secret, replacing one of the same field.
-- KEYS[1] team's secrets  KEYS[2] their values  KEYS[3] their uses  KEYS[4] teams that have secrets
-- ARGV: field, doc, sealed value, team, limit on the team's secrets
-- out: 1 created, 0 replaced, -1 the limit is reached
local isNew = redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0
if isNew and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then return -1 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('SADD', KEYS[4], ARGV[4])
return isNew and 1 or 0
