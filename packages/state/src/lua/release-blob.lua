#!lua flags=allow-oom
-- Removes the charge of a blob.
-- KEYS[1] blobs  KEYS[2] totals of teams
-- ARGV: blob key, time (ms) before which it must have been charged last, or ''
-- out: 1 released, 0 it wasn't charged, or was charged later
-- @include storage
local entry = redis.call('HGET', KEYS[1], ARGV[1])
if not entry then return 0 end
if ARGV[2] ~= '' and tonumber(string.match(entry, '^%S+ (%S+)')) >= tonumber(ARGV[2]) then return 0 end
local bytes, teams = readEntry(KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
addTo(KEYS[2], teams, -bytes)
return 1
