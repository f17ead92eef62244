-- Stores a message of an outgoing webhook unless it exists, and removes the oldest messages beyond the limit.
-- KEYS[1] message  KEYS[2] the webhook's messages
-- ARGV: prefix, id, doc, now (ms), retention (ms), limit on messages
-- out: nil, or the doc of the existing message
local held = redis.call('GET', KEYS[1])
if held then return held end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[5])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[4] - ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
local surplus = redis.call('ZCARD', KEYS[2]) - ARGV[6]
if surplus > 0 then
  for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, surplus - 1)) do
    redis.call('DEL', ARGV[1] .. 'message:' .. id)
  end
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, surplus - 1)
end
return nil
