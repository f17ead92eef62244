#!lua flags=allow-oom
-- Adds to the charge of a key, of one team, in place of the charge of an upload. Changes nothing if that was done before.
-- KEYS[1] blobs  KEYS[2] totals of teams
-- ARGV: key, bytes to add, now (ms), key of the upload, team
-- out: 1 added, 0 the upload isn't charged (any longer)
-- @include storage
local blobs, used, key, bytes, from, team = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2]), ARGV[4], ARGV[5]
local fromBytes, fromTeams = readEntry(blobs, from)
if #fromTeams == 0 then return 0 end
redis.call('HDEL', blobs, from)
addTo(used, fromTeams, -fromBytes)
local total = readEntry(blobs, key) + bytes
redis.call('HSET', blobs, key, string.format('%.0f', total) .. ' ' .. ARGV[3] .. ' ' .. team)
addTo(used, {team}, bytes)
return 1
