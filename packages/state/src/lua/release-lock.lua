#!lua flags=allow-oom
-- Gives a lock back, unless its time was over and somebody else has it.
-- KEYS[1] lock
-- ARGV: holder
-- out: 1 released, 0 it was another's
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
