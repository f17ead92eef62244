#!lua flags=allow-oom
-- Removes a secret with its value and its last use.
-- KEYS[1] team's secrets  KEYS[2] their values  KEYS[3] their uses  KEYS[4] teams that have secrets
-- ARGV: field, team
-- out: its doc and when it was last used, or nil if there is no such secret
local doc = redis.call('HGET', KEYS[1], ARGV[1])
if not doc then return nil end
local used = redis.call('HGET', KEYS[3], ARGV[1])
for i = 1, 3 do redis.call('HDEL', KEYS[i], ARGV[1]) end
if redis.call('HLEN', KEYS[1]) == 0 then redis.call('SREM', KEYS[4], ARGV[2]) end
return { doc, used }
