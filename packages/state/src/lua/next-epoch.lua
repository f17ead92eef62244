#!lua flags=allow-oom
-- Gives a worker process its epoch: higher than all before it, in the whole pool, and by this server's clock alone.
-- KEYS[1] newest epoch
-- out: the epoch
-- @include never-again
local epoch = neverAgain(redis.call('GET', KEYS[1]))
redis.call('SET', KEYS[1], epoch)
return epoch
