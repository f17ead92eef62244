#!lua flags=allow-oom
-- Pins the source of a running build to the commit that it was resolved to.
-- KEYS[1] build
-- ARGV: prefix, id, expected stamp, then the change
-- out: 0 written, -1 gone, -2 stale revision
-- @include write-build
local rev = redis.call('HGET', KEYS[1], 'rev')
if not rev then return -1 end
if not isAsRead(KEYS[1], rev, ARGV[3]) then return -2 end
writeBuild(ARGV[1], ARGV[2], changeFrom(4))
return 0
