-- Sets the default cache mode of a repo, or removes it.
-- KEYS[1] the team's default cache modes
-- ARGV: repo, doc ('' to remove it), limit on the team's repos with one
-- out: 0 done, -1 the limit is reached
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  return 0
end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return -1 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 0
