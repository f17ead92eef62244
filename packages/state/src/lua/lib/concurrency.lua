-- Builds of one concurrency key. A set holds those in flight that a newer one may still end; the order in which builds are
-- accepted is the order in which they pass here, whatever their ids say.

-- outdateOlder(prefix, id, key, mode): enters a new build and outdates all older ones: field `newer` names it, and a build with
-- that field is never assigned (assign-build), however it comes back to the queue (write-build). Those that `mode` ends
-- are noted as due: 'queued' ends what waits, 'running' all. Answers how many.
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

-- queuedOfKey(prefix, key): builds of the key that wait, and that a new one ends; none where there is no key.
local function queuedOfKey(prefix, key)
  local queued = {}
  if key == '' then return queued end
  for _, older in ipairs(redis.call('SMEMBERS', prefix .. 'concurrency:' .. key)) do
    if redis.call('HGET', prefix .. 'build:' .. older, 'state') == 'queued' then table.insert(queued, older) end
  end
  return queued
end
