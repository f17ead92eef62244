-- serverRun(): Redis' own id of this server process; another one after a restart, a failover, or on a restored backup. '' where INFO is forbidden.
local function serverRun()
  local info = redis.pcall('INFO', 'server')
  return type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
end
