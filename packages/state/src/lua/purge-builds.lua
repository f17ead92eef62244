#!lua flags=allow-oom
-- Purges ended builds past their retention, with all their index entries.
-- KEYS[1] packed builds  KEYS[2] ended builds that are whole  KEYS[3] time up to which builds are purged
-- ARGV: prefix, time up to which no ended build is left after this call (ms) or '',
--       then for each build: id, state, team, digest of the repo ('' where unknown)
-- out: how many were purged
local prefix = ARGV[1]
local purged = 0
if ARGV[2] ~= '' then redis.call('SET', KEYS[3], ARGV[2]) end
for i = 3, #ARGV, 4 do
  local id, state = ARGV[i], ARGV[i + 1]
  local key = prefix .. 'build:' .. id
  local now = redis.call('HGET', key, 'state')
  if now ~= 'queued' and now ~= 'assigned' and now ~= 'running' then
    redis.call('UNLINK', key, key .. ':secrets', key .. ':logins', key .. ':decisions')
    redis.call('HDEL', KEYS[1], id)
    redis.call('ZREM', KEYS[2], id)
    redis.call('ZREM', prefix .. 'idx:all', id)
    for _, ended in ipairs({ 'succeeded', 'failed', 'canceled' }) do
      if state == '' or state == ended then redis.call('ZREM', prefix .. 'idx:state:' .. ended, id) end
    end
    redis.call('ZREM', prefix .. 'idx:team:' .. ARGV[i + 2], id)
    redis.call('ZREM', prefix .. 'idx:repo:' .. ARGV[i + 3], id)
    purged = purged + 1
  end
end
return purged
