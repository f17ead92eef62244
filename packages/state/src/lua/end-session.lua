#!lua flags=allow-oom
-- Ends a session, and has every API process cut off the session's open requests.
-- KEYS[1] session
-- ARGV: prefix, the session's id in events
-- out: 1 ended, 0 there was none
if redis.call('DEL', KEYS[1]) == 0 then return 0 end
redis.call('XADD', ARGV[1] .. 'events', 'MAXLEN', '~', 20000, '*', 'type', 'credential', 'id', ARGV[2])
return 1
