#!lua flags=allow-oom
-- Takes a worker's report: the host joins or renews its lease, and the answer says what it should be doing.
-- A machine's newer worker takes over at once, because it ends everything that its predecessor left running before it joins. The newer
-- one has the higher epoch, acquired before that (next-epoch.lua), however long the older one was frozen.
-- KEYS[1] host  KEYS[2] lease  KEYS[3] held attempts  KEYS[4] hosts  KEYS[5] desired  KEYS[6] idle attempts
-- ARGV: prefix, name, incarnation, machine, report, now (ms), lease ttl (ms), accepting ('1' or '0'), slots, disk as JSON or '',
--       trust classes separated by commas, epoch of the worker process or '' (older versions: :past and :removed decide instead),
--       isolation, whether it serves one domain only ('1' or '0'), that domain or '',
--       the attempts that it runs, '<build id>:<attempt> …', or '-' if it doesn't report them, load as JSON or ''
-- out: -1 a live host of another machine has the name; -2 a newer worker of the machine replaced this incarnation;
--      -3 the host was removed, or is now because it holds no attempts any more;
--      else { operators' settings: field, value, …;
--             attempts that this incarnation holds: '<build id>:<attempt>', cancel, nonce or '', whether it has begun (1 or 0), …;
--             ms since the epoch by the clock of the settings' deadline; whether its inventory is stored (1 or 0);
--             how many tasks of the host are open;
--             how far its caches have moved (mark-moves.lua) or ''; digest of its inventory or '' }
-- @include attempt-identity
-- @include server-run
-- @include host-tasks
-- @include host-life
local prefix, name, incarnation, machine = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local epoch = tonumber(ARGV[12])
if wasRemoved(prefix, name, incarnation, epoch) then return -3 end
local lease = redis.call('GET', KEYS[2])
local known = redis.call('HMGET', KEYS[1], 'machine', 'incarnation', 'report', 'epoch', 'run', 'stale')
if known[2] and known[2] ~= incarnation then
  if lease and known[1] ~= machine then return -1 end
  if epoch and known[4] and epoch <= tonumber(known[4]) then return -2 end
  if redis.call('SISMEMBER', KEYS[1] .. ':past', incarnation) == 1 then return -2 end
  redis.call('SADD', KEYS[1] .. ':past', known[2])
  redis.call('EXPIRE', KEYS[1] .. ':past', 86400)
end
redis.call('SET', KEYS[2], incarnation, 'PX', ARGV[7])
redis.call('SADD', KEYS[4], name)
redis.call('HSET', KEYS[1], 'machine', machine, 'incarnation', incarnation, 'report', ARGV[5], 'lastSeenAt', ARGV[6],
  'accepting', ARGV[8], 'slots', ARGV[9], 'disk', ARGV[10], 'trust', ARGV[11],
  'isolation', ARGV[13], 'oneDomain', ARGV[14], 'domain', ARGV[15], 'load', ARGV[17] or '')
if epoch then redis.call('HSET', KEYS[1], 'epoch', ARGV[12]) end
-- After the server was replaced, the leader waits for this report.
local run = serverRun()
redis.call('HSET', KEYS[1], 'run', run, 'leaseTtl', ARGV[7])
redis.call('HDEL', KEYS[1], 'left')
redis.call('HDEL', prefix .. 'hosts:departed', name)
if redis.call('HEXISTS', KEYS[5], 'removing') == 1 and redis.call('HLEN', KEYS[3]) == 0 then
  removeHost(prefix, name)
  announceHost(prefix, name)
  return -3
end
-- Free disk space and load change with every report and aren't announced.
if not lease or lease ~= incarnation or known[3] ~= ARGV[5] or known[5] ~= run then announceHost(prefix, name) end
local attempts = {}
local runs = {}
local mine = {}
for held in string.gmatch(ARGV[16], '%S+') do runs[held] = true end
local idle = {}
for _, held in ipairs(redis.call('HKEYS', KEYS[3])) do
  local id, attempt = string.match(held, '^(.*):(%d+)$')
  local build = redis.call('HMGET', prefix .. 'build:' .. id, 'attempt', 'incarnation', 'cancel', 'identity', 'state')
  if build[1] == attempt and build[2] == incarnation then
    mine[held] = true
    attempts[#attempts + 1] = held
    attempts[#attempts + 1] = build[3] or '0'
    attempts[#attempts + 1] = nonceOf(build[4], attempt)
    attempts[#attempts + 1] = build[5] == 'running' and '1' or '0'
    if ARGV[16] ~= '-' and not runs[held] then
      idle[#idle + 1] = held
      idle[#idle + 1] = redis.call('HGET', KEYS[6], held) or tostring(serverNow())
    end
  end
end
-- The host is about to stop attempts that it runs but doesn't hold; their builds aren't assigned before.
local stale = {}
for held in pairs(runs) do
  if held ~= '-' and not mine[held] then stale[#stale + 1] = string.match(held, '^(.*):%d+$') end
end
table.sort(stale)
local staleBuilds = table.concat(stale, ' ')
if staleBuilds ~= (known[6] or '') then
  redis.call('HSET', KEYS[1], 'stale', staleBuilds)
  announceHost(prefix, name)
end
redis.call('DEL', KEYS[6])
if #idle > 0 then redis.call('HSET', KEYS[6], unpack(idle)) end
return { redis.call('HGETALL', KEYS[5]), attempts, tostring(serverNow()), redis.call('EXISTS', KEYS[1] .. ':inventory'),
  redis.call('ZCARD', KEYS[1] .. ':tasks'), redis.call('HGET', KEYS[1], 'moves') or '',
  redis.call('HGET', KEYS[1] .. ':inventory', 'digest') or '' }
