#!lua flags=allow-oom
-- Removes a piece of a live log from Redis once it is in the blob store: records the piece and trims the stream in one step, so every
-- reader finds each record in one of the two. Repeating the call after a lost answer is harmless.
-- KEYS[1] log  KEYS[2] its pieces  KEYS[3] claim on the log
-- ARGV: prefix, log as `<build id>:<attempt>`, holder of the claim, first seq, last seq, bytes of its records in Redis, piece
-- out: 0 moved, -1 another process has the claim, -2 the piece doesn't follow the last one, or would leave the stream empty,
--      -3 the log has ended: the archive moves the rest
-- @include live-logs
local prefix, log = ARGV[1], ARGV[2]
local first, last = tonumber(ARGV[4]), tonumber(ARGV[5])
if redis.call('ZSCORE', KEYS[2], ARGV[7]) then return 0 end
if redis.call('GET', KEYS[3]) ~= ARGV[3] then return -1 end
if redis.call('ZSCORE', prefix .. 'logs:unarchived', log) then return -3 end
local before = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
if first ~= tonumber(before[2] or '0') + 1 then return -2 end
-- The next append and the end record derive their number from the newest entry, so it stays.
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if not newest[1] or tonumber(string.match(newest[1][1], '^(%d+)')) <= last then return -2 end
redis.call('ZADD', KEYS[2], last, ARGV[7])
redis.call('XTRIM', KEYS[1], 'MINID', string.format('%d-0', last + 1))
redis.call('SREM', prefix .. 'logs:waiting', log)
countLive(prefix, log, -tonumber(ARGV[6]))
return 0
