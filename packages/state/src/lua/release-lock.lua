#!lua flags=allow-oom
-- Releases a lock, unless it expired and another holder has it.
-- KEYS[1] lock
-- ARGV: holder
-- out: 1 released, 0 not held
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
