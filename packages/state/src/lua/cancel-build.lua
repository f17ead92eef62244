#!lua flags=allow-oom
-- Cancels a build for its caller: ends a queued one, or marks one that a host holds. If others want the same run, only this
-- caller leaves it.
-- KEYS[1] build to write  KEYS[2] its secrets  KEYS[3] builds that want the run
-- ARGV: prefix, id, expected stamp, ttl of the secrets (ms), the caller's build, whether others want the run ('1' or '0'),
--       then the change
-- out: 0 written, -1 gone, -2 stale revision, -3 others have joined or left the run
-- @include write-build
local change = changeFrom(7)
local rev = redis.call('HGET', KEYS[1], 'rev')
if not rev then return -1 end
if not isAsRead(KEYS[1], rev, ARGV[3]) then return -2 end
local others = redis.call('SCARD', KEYS[3]) - redis.call('SISMEMBER', KEYS[3], ARGV[5])
if (others > 0) ~= (ARGV[6] == '1') then return -3 end
if others > 0 then redis.call('SREM', KEYS[3], ARGV[5]) end
if change.state == 'canceled' then redis.call('PEXPIRE', KEYS[2], ARGV[4]) end
writeBuild(ARGV[1], ARGV[2], change)
return 0
