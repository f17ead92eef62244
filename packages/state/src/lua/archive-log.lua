#!lua flags=allow-oom
-- Removes an archived log from Redis, except for its end record, which stays for a while for readers that wait for it.
-- KEYS[1] log  KEYS[2] its pieces
-- ARGV: prefix, log as `<build id>:<attempt>`, how long the end record stays (ms)
-- out: 0
-- @include live-logs
redis.call('XTRIM', KEYS[1], 'MAXLEN', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('ZREM', ARGV[1] .. 'logs:unarchived', ARGV[2])
removeLive(ARGV[1], ARGV[2])
return 0
