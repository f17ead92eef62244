#!lua flags=allow-oom
-- Counts a blob for its teams, in place of what was counted for it before. A team that it was counted for stays one of them.
-- Refuses, and changes nothing, where a team would have more than it may.
-- KEYS[1] blobs  KEYS[2] sums of teams
-- ARGV: blob key, bytes, now (ms), key of what it takes the place of ('': of nothing), then team and quota ('': none) of each
-- out: {0} counted; {n, bytes that it has} the n-th team would have more than it may
-- @include storage
local blobs, used, key, bytes = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
local oldBytes, teams, isOf = readEntry(blobs, key)
local fromBytes, fromTeams, wasOf = 0, {}, {}
if ARGV[4] ~= '' then fromBytes, fromTeams, wasOf = readEntry(blobs, ARGV[4]) end
local added = {}
for i = 5, #ARGV, 2 do
  local team, quota = ARGV[i], ARGV[i + 1]
  local before = 0
  if isOf[team] then before = before + oldBytes else table.insert(added, team) end
  if wasOf[team] then before = before + fromBytes end
  if quota ~= '' and bytes > before then
    local has = tonumber(redis.call('HGET', used, team) or '0')
    if has - before + bytes > tonumber(quota) then return {(i - 3) / 2, string.format('%.0f', has - before)} end
  end
end
if ARGV[4] ~= '' then
  redis.call('HDEL', blobs, ARGV[4])
  addTo(used, fromTeams, -fromBytes)
end
addTo(used, teams, bytes - oldBytes)
addTo(used, added, bytes)
for _, team in ipairs(added) do table.insert(teams, team) end
if #teams > 0 then redis.call('HSET', blobs, key, ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. table.concat(teams, ' ')) end
return {0}
