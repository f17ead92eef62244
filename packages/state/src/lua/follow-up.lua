#!lua flags=allow-oom
-- Carries out what was due for a build: it is superseded, or ends as the run that it shared.
-- KEYS[1] build  KEYS[2] secrets  KEYS[3] builds that something is due for
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
