#!lua flags=allow-oom
-- Replaces record, request and decisions of ended builds, whose documents are in the blob store, by one packed value each.
-- Repeating the call after a lost answer is harmless.
-- KEYS[1] claim  KEYS[2] packed builds  KEYS[3] ended builds that are whole  KEYS[4] due builds
-- ARGV: prefix, holder of the claim, its ttl (ms), then for each build: id, stamp of the stored record, packed value
-- out: how many are shrunk, including those of an earlier call; -1 another process has the claim
-- @include write-build
local prefix = ARGV[1]
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return -1 end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local due = redis.call('SCARD', KEYS[4])
local shrunk = 0
for i = 4, #ARGV, 3 do
  local id = ARGV[i]
  local key = prefix .. 'build:' .. id
  local held = redis.call('HMGET', key, 'rev', 'state', 'share')
  local state = held[2]
  local ended = state == 'succeeded' or state == 'failed' or state == 'canceled'
  -- Builds that shared its run may still have to take over its end.
  local needed = held[3] and due > 0
  if ended and not needed and isAsRead(key, held[1], ARGV[i + 1]) then
    redis.call('HSET', KEYS[2], id, ARGV[i + 2])
    redis.call('UNLINK', key, key .. ':decisions')
    redis.call('ZREM', KEYS[3], id)
    shrunk = shrunk + 1
  elseif not held[1] and redis.call('HGET', KEYS[2], id) == ARGV[i + 2] then
    shrunk = shrunk + 1
  end
end
return shrunk
