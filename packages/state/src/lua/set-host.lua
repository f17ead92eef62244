-- Stores an operator's settings of slots and labels, which override the worker's report; all or none of them.
-- KEYS[1] hosts  KEYS[2] desired  KEYS[3] host
-- ARGV: prefix, name, limit on labels, '1' to discard earlier settings first, slots ('' unchanged, '-' the worker's own),
--       then pairs: label, '=' and its value or '-' to remove it
-- out: 0 set, -1 no such host, -2 too many labels
-- @include host-tasks
-- @include host-life
local prefix, name = ARGV[1], ARGV[2]
if redis.call('SISMEMBER', KEYS[1], name) == 0 then return -1 end
local reported = cjson.decode(redis.call('HGET', KEYS[3], 'report') or '{}').labels or {}

local before, after = redis.call('HGETALL', KEYS[2]), {}
if ARGV[4] ~= '1' then
  for i = 1, #before, 2 do
    local label = string.match(before[i], '^label:(.*)$')
    if label then after[label] = before[i + 1] end
  end
end
for i = 6, #ARGV, 2 do
  after[ARGV[i]] = ARGV[i + 1]
  -- The worker doesn't report the label, so removing it needs no setting.
  if ARGV[i + 1] == '-' and not reported[ARGV[i]] then after[ARGV[i]] = nil end
end
local count = 0
for label in pairs(reported) do
  if not after[label] then count = count + 1 end
end
for _, value in pairs(after) do
  if value ~= '-' then count = count + 1 end
end
if count > tonumber(ARGV[3]) then return -2 end

for i = 1, #before, 2 do
  if string.find(before[i], '^label:') then redis.call('HDEL', KEYS[2], before[i]) end
end
for label, value in pairs(after) do redis.call('HSET', KEYS[2], 'label:' .. label, value) end
if ARGV[5] == '-' or (ARGV[4] == '1' and ARGV[5] == '') then
  redis.call('HDEL', KEYS[2], 'slots')
elseif ARGV[5] ~= '' then
  redis.call('HSET', KEYS[2], 'slots', ARGV[5])
end
announceHost(prefix, name)
purgeIfLeft(prefix, name)
return 0
