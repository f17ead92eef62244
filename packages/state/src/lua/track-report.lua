-- Notes that a build is to be reported at a target. Ids grow with time: an older build never takes the place of a newer one.
-- KEYS[1] report  KEYS[2] builds whose end hasn't been told
-- ARGV: target's id, build, target as JSON, how long it is kept (ms)
-- out: 0 noted, -1 a newer build is reported there
redis.call('HSET', KEYS[2], ARGV[2], ARGV[1])
local newest = redis.call('HGET', KEYS[1], 'build')
if newest and newest > ARGV[2] then return -1 end
redis.call('HSET', KEYS[1], 'doc', ARGV[3], 'build', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 0
