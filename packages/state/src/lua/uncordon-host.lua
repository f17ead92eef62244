#!lua flags=allow-oom
-- Uncordons a host for an operator: ends its cordon and drain, and a removal in progress.
-- KEYS[1] hosts  KEYS[2] desired
-- ARGV: prefix, name
-- out: 0 uncordoned, -1 no such host
-- @include host-tasks
-- @include host-life
if redis.call('SISMEMBER', KEYS[1], ARGV[2]) == 0 then return -1 end
redis.call('HDEL', KEYS[2], 'cordoned', 'drainSince', 'drainDeadline', 'removing')
announceHost(ARGV[1], ARGV[2])
purgeIfLeft(ARGV[1], ARGV[2])
return 0
