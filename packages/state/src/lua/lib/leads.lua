-- leads(key, token): whether `token`, '<number>-<random>', is the newest leader's. The key holds its number, so that leaders of older
-- versions, whose tokens are numbers that they count up, are told apart, too; key:fence holds the whole.
local function leads(key, token)
  return redis.call('GET', key .. ':fence') == token and redis.call('GET', key) == string.match(token, '^(%d+)-')
end
