#!lua flags=allow-oom
-- Shrinks ended builds whose documents are in the blob store: what is left of each is one packed value. Nothing else is read of them
-- from here on, so that record, request and decisions go in the same step.
-- KEYS[1] claim  KEYS[2] packed builds  KEYS[3] ended, whole  KEYS[4] builds that something is due for
-- ARGV: prefix, holder of the claim, its ttl (ms), then for each build: id, stamp of the record that was stored, packed value
-- out: how many are shrunk, those of an earlier call whose answer was lost among them; -1 the claim is another's
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
  -- Builds that share its run may have its end still to take over.
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
