#!lua flags=allow-oom
-- Removes an ended build whose retention is over, with all its indexes. Its live log must be archived already.
-- KEYS[1] build
-- ARGV: prefix, id, team, repo digest
-- out: 0 forgotten, -1 gone, -2 not ended
local prefix, id = ARGV[1], ARGV[2]
local state = redis.call('HGET', KEYS[1], 'state')
redis.call('ZREM', prefix .. 'ended', id)
if not state then return -1 end
if state ~= 'succeeded' and state ~= 'failed' and state ~= 'canceled' then return -2 end
redis.call('DEL', KEYS[1], prefix .. 'build:' .. id .. ':secrets', prefix .. 'build:' .. id .. ':decisions')
redis.call('ZREM', prefix .. 'idx:all', id)
redis.call('ZREM', prefix .. 'idx:state:' .. state, id)
redis.call('ZREM', prefix .. 'idx:team:' .. ARGV[3], id)
redis.call('ZREM', prefix .. 'idx:repo:' .. ARGV[4], id)
return 0
