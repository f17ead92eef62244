-- Writing builds. A change is { rev, state, attempt, host, incarnation, cancel, doc, at, nonce }.

-- isAsRead(key, rev, stamp): whether the record is still the one that the caller read. The stamp is '<revision> <sha1 of the doc>',
-- because after a failover that lost writes another record may have the same revision.
local function isAsRead(key, rev, stamp)
  local expected, digest = string.match(stamp, '^(%d+) (%x+)$')
  return rev == expected and redis.sha1hex(redis.call('HGET', key, 'doc')) == digest
end

-- letGo(prefix, id, links): removes an ended build from its concurrency key and its run. Builds that share its run are due.
local function letGo(prefix, id, links)
  local concurrency, share, run = links[1], links[2], links[3]
  if concurrency then redis.call('SREM', prefix .. 'concurrency:' .. concurrency, id) end
  if share then
    if redis.call('GET', prefix .. 'share:' .. share) == id then redis.call('DEL', prefix .. 'share:' .. share) end
    for _, wants in ipairs(redis.call('SMEMBERS', prefix .. 'interest:' .. id)) do
      if wants ~= id then redis.call('SADD', prefix .. 'due', wants) end
    end
    redis.call('DEL', prefix .. 'interest:' .. id)
  end
  if run then redis.call('SREM', prefix .. 'interest:' .. run, id) end
  redis.call('SREM', prefix .. 'due', id)
end

-- countBuild(prefix, id, subjects, state): counts a build among the waiting or the running ones of its team and submitter.
local function countBuild(prefix, id, subjects, state)
  for _, subject in ipairs(subjects) do
    redis.call(state == 'queued' and 'SADD' or 'SREM', prefix .. 'queued:' .. subject, id)
    redis.call((state == 'assigned' or state == 'running') and 'SADD' or 'SREM', prefix .. 'active:' .. subject, id)
  end
end

-- subjectsOf(key): the team and the submitter whose limits a build counts towards; none if an older version accepted it.
local function subjectsOf(key)
  local held = redis.call('HMGET', key, 'team', 'by')
  local subjects = {}
  if held[1] then table.insert(subjects, 'team:' .. held[1]) end
  if held[2] then table.insert(subjects, 'token:' .. held[2]) end
  return subjects
end

-- writeBuild(prefix, id, change): replaces the record of a build that the caller has checked, moves it between the indexes of its
-- state, and announces it. Deletes the client's registry logins of a build that has ended.
local function writeBuild(prefix, id, change)
  local key = prefix .. 'build:' .. id
  local before = redis.call('HGET', key, 'state')
  redis.call('HSET', key, 'rev', change.rev, 'state', change.state, 'attempt', change.attempt, 'host', change.host,
    'incarnation', change.incarnation, 'cancel', change.cancel, 'doc', change.doc,
    'identity', change.attempt .. ':' .. change.nonce)
  if before ~= change.state then
    redis.call('ZREM', prefix .. 'idx:state:' .. before, id)
    redis.call('ZADD', prefix .. 'idx:state:' .. change.state, 0, id)
    countBuild(prefix, id, subjectsOf(key), change.state)
    if change.state == 'queued' then
      redis.call('ZADD', prefix .. 'pending', change.at, id)
      if redis.call('HEXISTS', key, 'newer') == 1 then redis.call('SADD', prefix .. 'due', id) end
    elseif before == 'queued' then
      redis.call('ZREM', prefix .. 'pending', id)
    end
    if change.state == 'succeeded' or change.state == 'failed' or change.state == 'canceled' then
      redis.call('ZADD', prefix .. 'ended', change.at, id)
      redis.call('UNLINK', prefix .. 'build:' .. id .. ':logins')
      letGo(prefix, id, redis.call('HMGET', key, 'concurrency', 'share', 'run'))
    end
  end
  redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', 20000, '*', 'type', 'build', 'id', id, 'state', change.state,
    'revision', change.rev, 'attempt', change.attempt, 'host', change.host)
end

-- changeFrom(i): the change that begins at ARGV[i], the same in every script that writes a build.
local function changeFrom(i)
  return {
    rev = ARGV[i], state = ARGV[i + 1], attempt = ARGV[i + 2], host = ARGV[i + 3],
    incarnation = ARGV[i + 4], cancel = ARGV[i + 5], doc = ARGV[i + 6], at = ARGV[i + 7],
    nonce = ARGV[i + 8],
  }
end
