#!lua flags=allow-oom
-- Charges a blob to teams, replacing its earlier charge. Teams that it was charged to before keep sharing it.
-- Changes nothing if a team would exceed its quota.
-- KEYS[1] blobs  KEYS[2] totals of teams
-- ARGV: blob key, bytes, now (ms), key of another blob that it replaces or '', then team and quota ('' for none) of each
-- out: { 0 } charged; { n, bytes of the team so far } the n-th team would exceed its quota
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
