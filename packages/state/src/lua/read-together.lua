#!lua flags=no-writes
-- Reads several keys as of one moment. Unlike a transaction it needs no memory: Redis runs it when it is full, too.
-- KEYS: what is read
-- ARGV: commands as JSON: arrays of strings, each with its key
-- out: their answers
local answers = {}
for i, command in ipairs(cjson.decode(ARGV[1])) do answers[i] = redis.call(unpack(command)) end
return answers
