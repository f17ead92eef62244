#!lua flags=allow-oom
-- Starts an attempt that was assigned to a host.
-- KEYS[1] build  KEYS[2] host's lease  KEYS[3] host's idle attempts
-- ARGV: prefix, id, expected stamp, then the change
-- out: 0 started, -1 gone, -2 stale revision, -3 the host's lease is over
-- @include write-build
local change = changeFrom(4)
local rev = redis.call('HGET', KEYS[1], 'rev')
if not rev then return -1 end
if not isAsRead(KEYS[1], rev, ARGV[3]) then return -2 end
if redis.call('GET', KEYS[2]) ~= change.incarnation then return -3 end
redis.call('HDEL', KEYS[3], ARGV[2] .. ':' .. change.attempt)
writeBuild(ARGV[1], ARGV[2], change)
return 0
