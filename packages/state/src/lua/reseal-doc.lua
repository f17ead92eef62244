-- Puts the secrets in one document of a hash under another key.
-- KEYS[1] the documents
-- ARGV: its field, doc as it was read, doc as it is to be
-- out: 1 replaced, 0 not
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
