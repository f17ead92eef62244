-- Sets or unsets limits of a team or token, and announces the change.
-- KEYS[1] subjects with limits  KEYS[2] the subject's limits
-- ARGV: prefix, subject, then name and value of each ('' to unset it)
-- out: the limits that are set now: name, value, …
for i = 3, #ARGV, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[2], ARGV[i]) else redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
end
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('SADD', KEYS[1], ARGV[2]) else redis.call('SREM', KEYS[1], ARGV[2]) end
redis.call('XADD', ARGV[1] .. 'events', 'MAXLEN', '~', 20000, '*', 'type', 'limits', 'subject', ARGV[2])
return redis.call('HGETALL', KEYS[2])
