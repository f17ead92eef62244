#!lua flags=allow-oom
-- Stores how full Redis is, and how many bytes live logs may have in it.
-- KEYS[1] level  KEYS[2] limits of live logs
-- ARGV: level ('ok', 'full' or 'critical'), how long it is valid unless renewed (ms), bytes of one log, bytes of all logs
-- out: the previous level
local before = redis.call('GET', KEYS[1]) or 'ok'
if ARGV[1] == 'ok' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
redis.call('HSET', KEYS[2], 'log', ARGV[3], 'all', ARGV[4])
return before
