#!lua flags=allow-oom
-- Records on behalf of the leader how far the caches of a drained host have moved to other hosts. The mark belongs to this drain and to this
-- inventory: after another drain, or once the caches have changed, it no longer counts.
-- KEYS[1] host  KEYS[2] desired  KEYS[3] held attempts  KEYS[4] leader's token
-- ARGV: prefix, name, fencing token, since when the host is drained (ms), 'moving' or 'moved', digest of the inventory that was judged or ''
-- out: 0 recorded, -1 no such host, -2 it isn't drained, or by a later order, -3 it holds attempts, which may still leave caches,
--      -4 not the leader
-- @include server-run
-- @include leads
-- @include host-tasks
-- @include host-life
local prefix, name = ARGV[1], ARGV[2]
if not leads(KEYS[4], ARGV[3]) then return -4 end
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
if redis.call('HGET', KEYS[2], 'drainSince') ~= ARGV[4] then return -2 end
if ARGV[5] == 'moved' and redis.call('HLEN', KEYS[3]) > 0 then return -3 end
local moves = ARGV[4] .. ' ' .. ARGV[5] .. ' ' .. ARGV[6]
if redis.call('HGET', KEYS[1], 'moves') ~= moves then
  redis.call('HSET', KEYS[1], 'moves', moves)
  announceHost(prefix, name)
end
return 0
