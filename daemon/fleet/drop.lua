-- Removes fields whose values are still the given ones. KEYS: a hash. ARGV: field, SHA-1 of its value, and so on.
local gone = 0
for i = 1, #ARGV, 2 do
  if redis.call('HSTRLEN', KEYS[1], ARGV[i]) < 65536 then
    local value = redis.call('HGET', KEYS[1], ARGV[i])
    if value and redis.sha1hex(value) == ARGV[i + 1] then gone = gone + redis.call('HDEL', KEYS[1], ARGV[i]) end
  end
end
return gone
