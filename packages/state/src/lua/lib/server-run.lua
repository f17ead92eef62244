-- serverRun(): Redis' id of this server process, which changes with a restart, a failover or a restored backup; '' if INFO is forbidden.
local function serverRun()
  local info = redis.pcall('INFO', 'server')
  return type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
end
