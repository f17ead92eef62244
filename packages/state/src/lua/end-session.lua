#!lua flags=allow-oom
-- Ends a session, and tells every API process to cut off what it still follows.
-- KEYS[1] session
-- ARGV: prefix, id by which it is known
-- out: 1 ended, 0 there was none
if redis.call('DEL', KEYS[1]) == 0 then return 0 end
redis.call('XADD', ARGV[1] .. 'events', 'MAXLEN', '~', 20000, '*', 'type', 'credential', 'id', ARGV[2])
return 1
