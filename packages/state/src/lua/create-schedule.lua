-- Stores a new schedule under its name.
-- KEYS[1] schedules  KEYS[2] their names
-- ARGV: id, '<team>/<name>', doc
-- out: 0 created, -1 the team has a schedule of this name
if redis.call('HSETNX', KEYS[2], ARGV[2], ARGV[1]) == 0 then return -1 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 0
