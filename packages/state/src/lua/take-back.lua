#!lua flags=allow-oom
-- The leader takes an attempt back from a host that is gone: its lease is over, or another incarnation holds it.
-- KEYS[1] build  KEYS[2] host's held attempts  KEYS[3] host's lease  KEYS[4] leader's token
-- ARGV: prefix, id, expected stamp, fencing token, end record, attempt, incarnation, ttl of the secrets (ms), then the change
-- out: 0 taken back, -1 gone, -2 stale revision, -3 the host is alive, -4 not the leader
-- @include leads
-- @include write-build
-- @include live-logs
-- @include end-log
local prefix, id = ARGV[1], ARGV[2]
local change = changeFrom(9)
if not leads(KEYS[4], ARGV[4]) then return -4 end
local rev = redis.call('HGET', KEYS[1], 'rev')
if not rev then
  redis.call('HDEL', KEYS[2], id .. ':' .. ARGV[6])
  return -1
end
if not isAsRead(KEYS[1], rev, ARGV[3]) then return -2 end
if redis.call('GET', KEYS[3]) == ARGV[7] then return -3 end
redis.call('HDEL', KEYS[2], id .. ':' .. ARGV[6])
endLog(prefix, id, ARGV[6], ARGV[5], change.at)
if change.state ~= 'queued' then redis.call('PEXPIRE', prefix .. 'build:' .. id .. ':secrets', ARGV[8]) end
writeBuild(prefix, id, change)
return 0
