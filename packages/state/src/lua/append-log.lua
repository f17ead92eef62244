#!lua flags=allow-oom
-- Appends a batch of records to the log of a live attempt. Repeating the call after a lost answer is harmless.
-- A log may have at most `log` bytes in Redis. While all logs together exceed `all`, only those below their share of it may grow, so
-- the loudest wait first. A log of one entry always has room, because its last entry can't be moved to the blob store.
-- KEYS[1] build  KEYS[2] log
-- ARGV: attempt, incarnation, nonce or '', first seq, count, records as NDJSON, prefix, log as `<build id>:<attempt>`,
--       '1' if these are the last records, which need no room, else '0'
-- out: 0 appended, also if by an earlier call; -1 stale attempt, -3 no room: try again later;
--      { seq of the last record } if there is a gap before the first record of the batch
-- @include attempt-identity
-- @include live-logs
local prefix, log = ARGV[7], ARGV[8]
local build = redis.call('HMGET', KEYS[1], 'state', 'attempt', 'incarnation', 'identity')
if build[1] ~= 'running' and build[1] ~= 'assigned' then return -1 end
if build[2] ~= ARGV[1] or build[3] ~= ARGV[2] then return -1 end
if ARGV[3] ~= '' and nonceOf(build[4], build[2]) ~= ARGV[3] then return -1 end
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
local last = 0
if newest[1] then last = tonumber(string.match(newest[1][1], '^(%d+)')) end
local first, count = tonumber(ARGV[4]), tonumber(ARGV[5])
if first + count - 1 <= last then return 0 end
if first ~= last + 1 then return { last } end

-- The least share of a log, however many there are.
local LEAST_SHARE = 32 * 1024
local size = #ARGV[6] + ENTRY_BYTES
local function hasRoom()
  if redis.call('XLEN', KEYS[2]) <= 1 then return true end
  local limits = redis.call('HMGET', prefix .. 'logs:limits', 'log', 'all')
  -- Without limits all API processes are of an older version and move no logs, so waiting would make no room.
  if not limits[1] then return true end
  local most, all = tonumber(limits[1]), tonumber(limits[2])
  local own = tonumber(redis.call('ZSCORE', prefix .. 'logs:live', log) or '0') + size
  if own > most then return false end
  if tonumber(redis.call('GET', prefix .. 'logs:live:bytes') or '0') + size <= all then return true end
  return own <= math.max(LEAST_SHARE, all / redis.call('ZCARD', prefix .. 'logs:live'))
end
if ARGV[9] ~= '1' and not hasRoom() then
  redis.call('SADD', prefix .. 'logs:waiting', log)
  return -3
end
redis.call('XADD', KEYS[2], string.format('%d-%d', first + count - 1, count), 'r', ARGV[6])
countLive(prefix, log, size)
return 0
