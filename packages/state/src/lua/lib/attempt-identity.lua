-- nonceOf(identity, attempt): the nonce from a build's field `identity`, '<attempt>:<nonce>'; '' if the attempt was assigned by a
-- version without nonces.
local function nonceOf(identity, attempt)
  local number, nonce = string.match(identity or '', '^(%d+):(.*)$')
  return number == attempt and nonce or ''
end
