-- Records an incoming webhook, once for each of the forge's own ids. Forges don't sign that id, so the first delivery with the same
-- body is recorded as well: that distinguishes a body sent again under another id from a new event.
-- KEYS[1] the forge's id  KEYS[2] delivery  KEYS[3] the body's digest
-- ARGV: prefix, id, doc, body (packed), retention (ms), now (ms), team, first id that is still kept,
--       retention of the body's digest (ms)
-- out: nil, or the id of the delivery that was recorded before, or 'full' if Redis is short of memory
local held = redis.call('GET', KEYS[1])
if held then return held end
local prefix, id = ARGV[1], ARGV[2]
if redis.call('EXISTS', prefix .. 'memory:level') == 1 then return 'full' end
redis.call('SET', KEYS[1], id, 'PX', ARGV[5])
redis.call('HSET', KEYS[2], 'doc', ARGV[3], 'body', ARGV[4])
local original = redis.call('GET', KEYS[3])
if original then redis.call('HSET', KEYS[2], 'original', original)
else redis.call('SET', KEYS[3], id, 'PX', ARGV[9]) end
redis.call('PEXPIRE', KEYS[2], ARGV[5])
for _, index in ipairs({ prefix .. 'deliveries', prefix .. 'deliveries:team:' .. ARGV[7] }) do
  redis.call('ZADD', index, 0, id)
  redis.call('ZREMRANGEBYLEX', index, '-', '(' .. ARGV[8])
end
redis.call('ZADD', prefix .. 'deliveries:open', ARGV[6], id)
return nil
