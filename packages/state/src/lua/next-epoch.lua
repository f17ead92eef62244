#!lua flags=allow-oom
-- Returns an epoch for a worker process, higher than every epoch that the pool gave out before.
-- KEYS[1] newest epoch
-- out: the epoch
-- @include never-again
local epoch = neverAgain(redis.call('GET', KEYS[1]))
redis.call('SET', KEYS[1], epoch)
return epoch
