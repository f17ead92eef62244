#!lua flags=allow-oom
-- Cordons a host for an operator: no new builds are assigned to it.
-- KEYS[1] hosts  KEYS[2] desired
-- ARGV: prefix, name
-- out: 0 cordoned, -1 no such host
-- @include host-tasks
-- @include host-life
if redis.call('SISMEMBER', KEYS[1], ARGV[2]) == 0 then return -1 end
redis.call('HSET', KEYS[2], 'cordoned', '1')
announceHost(ARGV[1], ARGV[2])
return 0
