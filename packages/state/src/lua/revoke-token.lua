#!lua flags=allow-oom
-- Revokes a token, removes its limits, and has every API process cut off the token's open requests.
-- KEYS[1] tokens
-- ARGV: prefix, id
-- out: the token's doc and when it was last used, or nil if there is no such token
local hash = redis.call('HGET', KEYS[1], ARGV[2])
if not hash then return nil end
local key = ARGV[1] .. 'token:' .. hash
local doc = redis.call('HGET', key, 'doc')
local usedAt = redis.call('HGET', key, 'usedAt')
redis.call('HDEL', KEYS[1], ARGV[2])
redis.call('DEL', key, ARGV[1] .. 'limits:token:' .. ARGV[2])
redis.call('SREM', ARGV[1] .. 'limits', 'token:' .. ARGV[2])
redis.call('XADD', ARGV[1] .. 'events', 'MAXLEN', '~', 20000, '*', 'type', 'credential', 'id', ARGV[2])
return { doc, usedAt }
