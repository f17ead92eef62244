-- leads(key, token): whether `token`, '<number>-<random>', is the newest leader's. `key` is its number, which leaders of older versions
-- increment; `key`:fence is the whole token. On a server that no leader has seen yet (lead.lua) nobody leads, because a promoted
-- replica may have lost writes that decisions rely on. Needs server-run.
local function leads(key, token)
  if redis.call('HGET', key .. ':server', 'run') ~= serverRun() then return false end
  return redis.call('GET', key .. ':fence') == token and redis.call('GET', key) == string.match(token, '^(%d+)-')
end
