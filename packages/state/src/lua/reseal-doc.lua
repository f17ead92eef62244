-- Replaces a document of a hash by one whose secrets are sealed with another key, unless it changed meanwhile.
-- KEYS[1] the documents
-- ARGV: field, doc as read, new doc
-- out: 1 replaced, 0 not
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
