#!lua flags=no-writes
-- Reads several keys at one moment. Unlike a MULTI, which a full Redis refuses, it may run without memory.
-- KEYS: the keys to read
-- ARGV: the commands as JSON, each an array of strings that includes its key
-- out: their answers
local answers = {}
for i, command in ipairs(cjson.decode(ARGV[1])) do answers[i] = redis.call(unpack(command)) end
return answers
