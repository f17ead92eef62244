#!lua flags=allow-oom
-- Ends a build that was due: it was superseded, or the run that it shared has ended.
-- KEYS[1] build  KEYS[2] secrets  KEYS[3] due builds
-- ARGV: prefix, id, expected stamp, ttl of the secrets (ms), then the change
-- out: 0 written, -1 gone, -2 stale revision
-- @include write-build
local change = changeFrom(5)
local rev = redis.call('HGET', KEYS[1], 'rev')
if not rev then return -1 end
if not isAsRead(KEYS[1], rev, ARGV[3]) then return -2 end
redis.call('SREM', KEYS[3], ARGV[2])
if change.state ~= 'assigned' and change.state ~= 'running' then redis.call('PEXPIRE', KEYS[2], ARGV[4]) end
writeBuild(ARGV[1], ARGV[2], change)
return 0
