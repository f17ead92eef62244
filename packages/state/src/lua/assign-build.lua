-- Assigns a queued build to a host and takes the host's slots.
-- KEYS[1] build  KEYS[2] host  KEYS[3] host's lease  KEYS[4] host's held attempts  KEYS[5] leader's token  KEYS[6] decisions
-- KEYS[7] host's desired state
-- ARGV: prefix, id, expected stamp, fencing token, weight, slots of the host as the leader saw them, decision,
--       limits on running builds of the team and of the submitter ('' for none), trust class,
--       the build's isolation domain on hosts isolated by pool, by team and by repo, then the change
-- out: 0 assigned, -1 gone, -2 stale revision, -3 no free slot, -4 not the leader,
--      -5 the host's lease is over, it is cordoned or draining, doesn't take the trust class, or serves another isolation domain,
--      -6 a newer build of its concurrency key was accepted, -7 its team or -8 its submitter has reached its limit,
--      -9 Redis is so full that only running builds continue
-- @include server-run
-- @include leads
-- @include write-build
local prefix, id = ARGV[1], ARGV[2]
local change = changeFrom(14)
if not leads(KEYS[5], ARGV[4]) then return -4 end
local rev = redis.call('HGET', KEYS[1], 'rev')
if not rev then return -1 end
if not isAsRead(KEYS[1], rev, ARGV[3]) then return -2 end
if redis.call('HEXISTS', KEYS[1], 'newer') == 1 then return -6 end
if redis.call('GET', prefix .. 'memory:level') == 'critical' then return -9 end
if redis.call('GET', KEYS[3]) ~= change.incarnation then return -5 end
local host = redis.call('HMGET', KEYS[2], 'accepting', 'slots', 'trust', 'isolation', 'domain', 'oneDomain', 'claiming')
local desired = redis.call('HMGET', KEYS[7], 'cordoned', 'slots')
if host[1] == '0' or desired[1] == '1' then return -5 end
if not string.find(',' .. (host[3] or 'trusted') .. ',', ',' .. ARGV[10] .. ',', 1, true) then return -5 end
local domain = ({ pool = ARGV[11], team = ARGV[12], repo = ARGV[13] })[host[4] or 'pool']
local serves = host[5] or ''
-- A host that serves only one domain belongs, until its worker reports which, to that of the builds assigned to it.
if serves == '' and host[6] == '1' and redis.call('HLEN', KEYS[4]) > 0 then serves = host[7] or '' end
if serves ~= '' and serves ~= domain then return -5 end
-- An operator may have changed the slots since the leader read them.
local slots = math.min(tonumber(ARGV[6]), tonumber(desired[2] or host[2] or ARGV[6]))
local used = 0
for _, weight in ipairs(redis.call('HVALS', KEYS[4])) do used = used + tonumber(weight) end
if used + tonumber(ARGV[5]) > slots then return -3 end
for i, subject in ipairs(subjectsOf(KEYS[1])) do
  local most = ARGV[7 + i]
  if most ~= '' and redis.call('SCARD', prefix .. 'active:' .. subject) >= tonumber(most) then return -6 - i end
end
if host[6] == '1' then redis.call('HSET', KEYS[2], 'claiming', domain) end
redis.call('HSET', KEYS[4], id .. ':' .. change.attempt, ARGV[5])
redis.call('HSET', KEYS[6], change.attempt, ARGV[7])
writeBuild(prefix, id, change)
return 0
