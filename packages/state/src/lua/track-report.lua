-- Records the build to report to a target. Ids grow with time, so an older build never replaces a newer one.
-- KEYS[1] report  KEYS[2] builds whose end hasn't been reported  KEYS[3] the build's target
-- ARGV: target's id, build, target as JSON, retention (ms)
-- out: 0 recorded, -1 the target reports a newer build
redis.call('HSET', KEYS[2], ARGV[2], ARGV[1])
redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[4])
local newest = redis.call('HGET', KEYS[1], 'build')
if newest and newest > ARGV[2] then return -1 end
redis.call('HSET', KEYS[1], 'doc', ARGV[3], 'build', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 0
