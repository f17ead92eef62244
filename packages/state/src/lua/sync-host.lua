-- A worker reports itself: joins or renews its lease, and learns what it should be doing.
-- KEYS[1] host  KEYS[2] lease  KEYS[3] held attempts  KEYS[4] hosts
-- ARGV: prefix, name, incarnation, machine, report, now (ms), lease ttl (ms), accepting ('1' or '0')
-- out: -1 another machine's worker holds the name; -2 this incarnation was replaced by a newer one on its machine;
--      else { cordoned, draining, whether its inventory is known, then for each held attempt of this incarnation: '<build id>:<attempt>', cancel }
-- A machine's newer worker takes over at once: it has killed whatever its predecessor left running before it joins.
local prefix, name, incarnation, machine = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local lease = redis.call('GET', KEYS[2])
local known = redis.call('HMGET', KEYS[1], 'machine', 'incarnation', 'report')
if lease and lease ~= incarnation then
  if known[1] ~= machine then return -1 end
  if redis.call('SISMEMBER', KEYS[1] .. ':past', incarnation) == 1 then return -2 end
end
if known[2] and known[2] ~= incarnation then
  if redis.call('SISMEMBER', KEYS[1] .. ':past', incarnation) == 1 then return -2 end
  redis.call('SADD', KEYS[1] .. ':past', known[2])
  redis.call('EXPIRE', KEYS[1] .. ':past', 86400)
end
redis.call('SET', KEYS[2], incarnation, 'PX', ARGV[7])
redis.call('SADD', KEYS[4], name)
redis.call('HSET', KEYS[1], 'machine', machine, 'incarnation', incarnation, 'report', ARGV[5], 'lastSeenAt', ARGV[6],
  'accepting', ARGV[8])
if not lease or lease ~= incarnation or known[3] ~= ARGV[5] then
  redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', 20000, '*', 'type', 'host', 'host', name)
end
local flags = redis.call('HMGET', KEYS[1], 'cordoned', 'draining')
local out = { flags[1] or '0', flags[2] or '0', tostring(redis.call('EXISTS', KEYS[1] .. ':inventory')) }
for _, held in ipairs(redis.call('HKEYS', KEYS[3])) do
  local id, attempt = string.match(held, '^(.*):(%d+)$')
  local build = redis.call('HMGET', prefix .. 'build:' .. id, 'attempt', 'incarnation', 'cancel')
  if build[1] == attempt and build[2] == incarnation then
    out[#out + 1] = held
    out[#out + 1] = build[3] or '0'
  end
end
return out
