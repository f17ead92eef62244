#!lua flags=allow-oom
-- Ends an attempt that its host reports as finished: the build ends or goes back to the queue, its slots are released and its log
-- is completed, in one step.
-- KEYS[1] build  KEYS[2] host's held attempts  KEYS[3] host's lease
-- ARGV: prefix, id, expected stamp, end record, attempt, ttl of the secrets (ms), incarnation, then the change
-- out: 0 settled, -1 gone, -2 stale revision, -3 the host's lease is over: the build may already run elsewhere
-- @include write-build
-- @include live-logs
-- @include end-log
local prefix, id = ARGV[1], ARGV[2]
local change = changeFrom(8)
local rev = redis.call('HGET', KEYS[1], 'rev')
if not rev then return -1 end
if not isAsRead(KEYS[1], rev, ARGV[3]) then return -2 end
if redis.call('GET', KEYS[3]) ~= ARGV[7] then return -3 end
redis.call('HDEL', KEYS[2], id .. ':' .. ARGV[5])
endLog(prefix, id, ARGV[5], ARGV[4], change.at)
if change.state ~= 'queued' then redis.call('PEXPIRE', prefix .. 'build:' .. id .. ':secrets', ARGV[6]) end
writeBuild(prefix, id, change)
return 0
