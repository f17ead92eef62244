-- nonceOf(identity, attempt): the nonce out of a build's field `identity`, '<attempt>:<nonce>'; '' where the attempt of that number was
-- assigned by a version that gives none.
local function nonceOf(identity, attempt)
  local number, nonce = string.match(identity or '', '^(%d+):(.*)$')
  return number == attempt and nonce or ''
end
