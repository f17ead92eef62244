-- Builds that share one run. `share:<key>` names the build whose run may be shared; `interest:<run>` holds the builds that want
-- that run: its own, until that is released, and those that share it.

-- shareableRun(prefix, key, moves): the build whose run an identical one may share now, or nil. Not one that was canceled or
-- outdated; where the source moves (a branch), only one that hasn't begun, for it hasn't looked yet where the branch is.
local function shareableRun(prefix, key, moves)
  local run = redis.call('GET', prefix .. 'share:' .. key)
  if not run then return nil end
  local build = redis.call('HMGET', prefix .. 'build:' .. run, 'state', 'attempt', 'cancel', 'newer')
  local state, attempt = build[1], build[2]
  if build[3] ~= '0' or build[4] then return nil end
  if (state == 'queued' and attempt == '0') or (state == 'assigned' and attempt == '1') then return run end
  if moves or (state ~= 'queued' and state ~= 'assigned' and state ~= 'running') then return nil end
  return run
end

-- offerRun(prefix, id, key): from here on identical builds share the run of this one.
local function offerRun(prefix, id, key)
  redis.call('SET', prefix .. 'share:' .. key, id)
  redis.call('SADD', prefix .. 'interest:' .. id, id)
  redis.call('HSET', prefix .. 'build:' .. id, 'share', key)
end

local function shareRun(prefix, id, run)
  redis.call('SADD', prefix .. 'interest:' .. run, id)
  redis.call('HSET', prefix .. 'build:' .. id, 'run', run)
end
