-- Storage that blobs take from their teams: a hash of blob key -> `<bytes> <time, ms> <team> <team> …`, and the totals of teams, which
-- change in the same step.

-- readEntry(blobs, key): the bytes, and the teams as a list and as a set; 0 and none if the blob isn't charged.
local function readEntry(blobs, key)
  local list, set, bytes = {}, {}, 0
  local at = 0
  for word in string.gmatch(redis.call('HGET', blobs, key) or '', '%S+') do
    at = at + 1
    if at == 1 then bytes = tonumber(word) elseif at > 2 then
      table.insert(list, word)
      set[word] = true
    end
  end
  return bytes, list, set
end

-- addTo(used, teams, bytes): adds `bytes`, which may be negative, to the teams' totals.
local function addTo(used, teams, bytes)
  if bytes == 0 then return end
  for _, team in ipairs(teams) do
    if redis.call('HINCRBY', used, team, string.format('%.0f', bytes)) <= 0 then redis.call('HDEL', used, team) end
  end
end
