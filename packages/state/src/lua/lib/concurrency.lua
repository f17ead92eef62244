-- Builds of one concurrency key. A set contains those in flight that a newer one may still supersede. Builds are ordered by when this
-- code runs for them, not by their ids.

-- outdateOlder(prefix, id, key, mode): enters a new build and marks all older ones with it in their field `newer`. A build with that
-- field is never assigned (assign-build), even if it comes back to the queue (write-build). Builds that `mode` ends are noted as
-- due: 'queued' ends the waiting ones, 'running' all. Returns how many are due.
local function outdateOlder(prefix, id, key, mode)
  local set = prefix .. 'concurrency:' .. key
  local due = 0
  for _, older in ipairs(redis.call('SMEMBERS', set)) do
    local build = prefix .. 'build:' .. older
    redis.call('HSET', build, 'newer', id)
    if mode == 'running' or redis.call('HGET', build, 'state') == 'queued' then
      redis.call('SADD', prefix .. 'due', older)
      redis.call('SREM', set, older)
      due = due + 1
    end
  end
  redis.call('SADD', set, id)
  redis.call('HSET', prefix .. 'build:' .. id, 'concurrency', key)
  return due
end

-- queuedOfKey(prefix, key): the key's waiting builds, which a new one supersedes; none if `key` is ''.
local function queuedOfKey(prefix, key)
  local queued = {}
  if key == '' then return queued end
  for _, older in ipairs(redis.call('SMEMBERS', prefix .. 'concurrency:' .. key)) do
    if redis.call('HGET', prefix .. 'build:' .. older, 'state') == 'queued' then table.insert(queued, older) end
  end
  return queued
end
