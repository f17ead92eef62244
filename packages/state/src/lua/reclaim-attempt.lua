#!lua flags=allow-oom
-- Reclaims an attempt from a host that is lost (its lease is over, or another incarnation has it), or that has reported for long
-- enough that it doesn't run the attempt.
-- KEYS[1] build  KEYS[2] host's held attempts  KEYS[3] host's lease  KEYS[4] leader's token  KEYS[5] host's idle attempts
-- ARGV: prefix, id, expected stamp, fencing token, end record, attempt, incarnation, ttl of the secrets (ms),
--       least time that it must have been idle on a live host (ms), then the change
-- out: 0 reclaimed, -1 gone, -2 stale revision, -3 the host is alive and the attempt hasn't been idle that long, -4 not the leader
-- @include server-run
-- @include leads
-- @include write-build
-- @include live-logs
-- @include end-log
-- @include host-tasks
-- @include host-life
local prefix, id = ARGV[1], ARGV[2]
local change = changeFrom(10)
if not leads(KEYS[4], ARGV[4]) then return -4 end
local rev = redis.call('HGET', KEYS[1], 'rev')
if not rev then
  redis.call('HDEL', KEYS[2], id .. ':' .. ARGV[6])
  return -1
end
if not isAsRead(KEYS[1], rev, ARGV[3]) then return -2 end
local held = id .. ':' .. ARGV[6]
if redis.call('GET', KEYS[3]) == ARGV[7] then
  local idleSince = redis.call('HGET', KEYS[5], held)
  if not idleSince or serverNow() - idleSince < tonumber(ARGV[9]) then return -3 end
end
redis.call('HDEL', KEYS[2], held)
redis.call('HDEL', KEYS[5], held)
endLog(prefix, id, ARGV[6], ARGV[5], change.at)
if change.state ~= 'queued' then redis.call('PEXPIRE', prefix .. 'build:' .. id .. ':secrets', ARGV[8]) end
writeBuild(prefix, id, change)
return 0
