-- Builds that share one run. `share:<key>` is the build whose run may be shared; `interest:<run>` contains the builds that want that
-- run: its own, until that is released, and those that share it.

-- shareableRun(prefix, key, moves): the build whose run an identical one may share now, or nil. A run that was canceled or superseded
-- can't be shared. If the source moves (a branch), the run mustn't have begun, because it resolves the branch when it begins.
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

-- offerRun(prefix, id, key): lets identical builds share the run of this one.
local function offerRun(prefix, id, key)
  redis.call('SET', prefix .. 'share:' .. key, id)
  redis.call('SADD', prefix .. 'interest:' .. id, id)
  redis.call('HSET', prefix .. 'build:' .. id, 'share', key)
end

-- shareRun(prefix, id, run): makes a build share a run.
local function shareRun(prefix, id, run)
  redis.call('SADD', prefix .. 'interest:' .. run, id)
  redis.call('HSET', prefix .. 'build:' .. id, 'run', run)
end
