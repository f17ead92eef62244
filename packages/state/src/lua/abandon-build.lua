#!lua flags=allow-oom
-- Ends a queued build that the leader gives up placing.
-- KEYS[1] build  KEYS[2] leader's token  KEYS[3] secrets
-- ARGV: prefix, id, expected stamp, fencing token, ttl of the secrets (ms), then the change
-- out: 0 ended, -1 gone, -2 stale revision, -4 not the leader, -6 a newer build of its concurrency key was accepted
-- @include server-run
-- @include leads
-- @include write-build
local change = changeFrom(6)
if not leads(KEYS[2], ARGV[4]) then return -4 end
local rev = redis.call('HGET', KEYS[1], 'rev')
if not rev then return -1 end
if not isAsRead(KEYS[1], rev, ARGV[3]) then return -2 end
if redis.call('HEXISTS', KEYS[1], 'newer') == 1 then return -6 end
redis.call('PEXPIRE', KEYS[3], ARGV[5])
writeBuild(ARGV[1], ARGV[2], change)
return 0
