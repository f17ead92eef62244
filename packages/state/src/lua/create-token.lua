-- Stores a new token: its record, and the id under which it can be revoked.
-- KEYS[1] tokens  KEYS[2] token
-- ARGV: id, hash, doc
-- out: 0 created, -1 the token exists already
if redis.call('EXISTS', KEYS[2]) == 1 then return -1 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[2], 'doc', ARGV[3])
return 0
