-- Adds what its caches saved a build of a repo on a host. Beyond the limit on repos, the one that was built longest ago is forgotten.
-- KEYS[1] savings  KEYS[2] host's lease
-- ARGV: incarnation, repo, saved (ms), end of the build (ms), limit on repos
-- out: 0 added, -3 the host's lease is over, or another incarnation's
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return -3 end
local hits, saved = string.match(redis.call('HGET', KEYS[1], ARGV[2]) or '0 0 0', '^(%d+) (%d+) ')
local text = string.format('%d %d %d', tonumber(hits or 0) + 1, tonumber(saved or 0) + tonumber(ARGV[3]), tonumber(ARGV[4]))
redis.call('HSET', KEYS[1], ARGV[2], text)
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[5]) then
  local oldest, at = nil, math.huge
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    local used = tonumber(string.match(all[i + 1], '(%d+)$') or 0)
    if used < at then oldest, at = all[i], used end
  end
  redis.call('HDEL', KEYS[1], oldest)
end
return 0
