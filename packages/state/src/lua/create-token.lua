-- Keeps a new token: its record, and the id by which it is revoked.
-- KEYS[1] tokens  KEYS[2] token
-- ARGV: id, hash, doc
-- out: 0 created, -1 there is such a token already
if redis.call('EXISTS', KEYS[2]) == 1 then return -1 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[2], 'doc', ARGV[3])
return 0
