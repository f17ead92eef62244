-- Cancels a queued build, or marks one that a host holds.
-- KEYS[1] build  KEYS[2] secrets
-- ARGV: prefix, id, expected revision, ttl of the secrets (ms), then the change
-- out: 0 written, -1 gone, -2 stale revision
-- @include write-build
local change = changeFrom(5)
local rev = redis.call('HGET', KEYS[1], 'rev')
if not rev then return -1 end
if rev ~= ARGV[3] then return -2 end
if change.state == 'canceled' then redis.call('PEXPIRE', KEYS[2], ARGV[4]) end
writeBuild(ARGV[1], ARGV[2], change)
return 0
