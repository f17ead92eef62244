-- Accepts a build: writes record, pending index, list indexes, sealed secrets and logins, idempotency key and event, all or nothing.
-- With a concurrency key it supersedes the key's older builds in the same step: none of them is assigned any more, and those that
-- the mode ends are noted as due. With a share key it shares the run of an identical build in flight.
-- Repeating the call after a lost answer is harmless: the id is unique to it, so an existing build is the one that it accepted.
-- KEYS[1] build  KEYS[2] idempotency key (without one: the build again)  KEYS[3] retries of its pull request (without one: the build again)
-- ARGV: prefix, id, doc, spec, createdAt, team, repo digest, sealed secrets or '', idempotency value or '', its ttl (ms),
--       digest of the concurrency key or '', mode of superseding ('queued', 'running' or ''), digest of the share key or '',
--       id of the run that the doc shares or '', whether the source may change until the run begins ('1' or '0'),
--       submitter or '', limits on waiting builds of the team and of the submitter ('' for none),
--       how long the retries are kept (ms), and how many of them, sealed registry logins or ''
-- out: 'accepted'; 'superseding': accepted, and older builds are due; 'shared': accepted, and shares a run;
--      'again': the run named by the doc can't be shared, or another one can (see shareableRun);
--      'full team' or 'full token': the limit is reached; 'full store': Redis is short of memory;
--      '<build id> <fingerprint>': the idempotency key was used before
-- @include concurrency
-- @include sharing
local prefix, id = ARGV[1], ARGV[2]
if redis.call('EXISTS', KEYS[1]) == 1 then return redis.call('HEXISTS', KEYS[1], 'run') == 1 and 'shared' or 'accepted' end
if ARGV[9] ~= '' then
  local held = redis.call('GET', KEYS[2])
  if held then return held end
end
if redis.call('EXISTS', prefix .. 'memory:level') == 1 then return 'full store' end
local shareKey, run = ARGV[13], ARGV[14]
if shareKey ~= '' and (shareableRun(prefix, shareKey, ARGV[15] == '1') or '') ~= run then return 'again' end

local subjects = { 'team:' .. ARGV[6] }
if ARGV[16] ~= '' then table.insert(subjects, 'token:' .. ARGV[16]) end
if run == '' then
  -- Builds that this one supersedes don't count.
  local leaving = queuedOfKey(prefix, ARGV[11])
  for i, subject in ipairs(subjects) do
    local most = ARGV[16 + i]
    local queued = prefix .. 'queued:' .. subject
    if most ~= '' then
      local waiting = redis.call('SCARD', queued)
      for _, older in ipairs(leaving) do waiting = waiting - redis.call('SISMEMBER', queued, older) end
      if waiting >= tonumber(most) then return i == 1 and 'full team' or 'full token' end
    end
  end
end

if ARGV[9] ~= '' then redis.call('SET', KEYS[2], ARGV[9], 'PX', ARGV[10]) end
redis.call('HSET', KEYS[1], 'rev', 1, 'state', 'queued', 'attempt', 0, 'host', '', 'incarnation', '', 'cancel', '0',
  'doc', ARGV[3], 'spec', ARGV[4], 'team', ARGV[6])
if ARGV[16] ~= '' then redis.call('HSET', KEYS[1], 'by', ARGV[16]) end
if ARGV[8] ~= '' then redis.call('SET', prefix .. 'build:' .. id .. ':secrets', ARGV[8]) end
if ARGV[21] ~= '' then redis.call('SET', prefix .. 'build:' .. id .. ':logins', ARGV[21]) end
redis.call('ZADD', prefix .. 'idx:all', 0, id)
redis.call('ZADD', prefix .. 'idx:state:queued', 0, id)
redis.call('ZADD', prefix .. 'idx:team:' .. ARGV[6], 0, id)
redis.call('ZADD', prefix .. 'idx:repo:' .. ARGV[7], 0, id)
if KEYS[3] ~= KEYS[1] then
  redis.call('ZADD', KEYS[3], ARGV[5], id)
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - ARGV[20])
  redis.call('PEXPIRE', KEYS[3], ARGV[19])
end
redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', 20000, '*', 'type', 'build', 'id', id, 'state', 'queued',
  'revision', 1, 'attempt', 0, 'host', '')
if run ~= '' then
  shareRun(prefix, id, run)
  return 'shared'
end
redis.call('ZADD', prefix .. 'pending', ARGV[5], id)
for _, subject in ipairs(subjects) do redis.call('SADD', prefix .. 'queued:' .. subject, id) end
if shareKey ~= '' then offerRun(prefix, id, shareKey) end
if ARGV[11] ~= '' and outdateOlder(prefix, id, ARGV[11], ARGV[12]) > 0 then return 'superseding' end
return 'accepted'
