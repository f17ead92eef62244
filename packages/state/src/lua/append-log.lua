-- Appends a batch of records to the log of a live attempt. Repeating a batch whose answer was lost is harmless.
-- KEYS[1] build  KEYS[2] log
-- ARGV: attempt, incarnation, nonce or '', first seq, count, records as NDJSON
-- out: 0 appended or there already, -1 stale attempt, -2 gap before the first record
-- @include attempt-identity
local build = redis.call('HMGET', KEYS[1], 'state', 'attempt', 'incarnation', 'identity')
if build[1] ~= 'running' and build[1] ~= 'assigned' then return -1 end
if build[2] ~= ARGV[1] or build[3] ~= ARGV[2] then return -1 end
if ARGV[3] ~= '' and nonceOf(build[4], build[2]) ~= ARGV[3] then return -1 end
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
local last = 0
if newest[1] then last = tonumber(string.match(newest[1][1], '^(%d+)')) end
local first, count = tonumber(ARGV[4]), tonumber(ARGV[5])
if first + count - 1 <= last then return 0 end
if first ~= last + 1 then return -2 end
redis.call('XADD', KEYS[2], string.format('%d-%d', first + count - 1, count), 'r', ARGV[6])
return 0
