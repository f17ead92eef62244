-- leads(key, token): whether `token`, '<number>-<random>', is the newest leader's. The key holds its number, so that leaders of older
-- versions, whose tokens are numbers that they count up, are told apart, too; key:fence holds the whole. On a server that no leader has
-- seen yet (lead.lua) nobody leads: who has been put in the master's place may have lost what decisions rest on. Needs server-run.
local function leads(key, token)
  if redis.call('HGET', key .. ':server', 'run') ~= serverRun() then return false end
  return redis.call('GET', key .. ':fence') == token and redis.call('GET', key) == string.match(token, '^(%d+)-')
end
