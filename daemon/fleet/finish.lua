-- Ends a fetch: keeps what it brought unless something newer is there, removes what was denied, tells the upstream's pause,
-- and releases the lease if it is still the asker's.
-- KEYS: profile, lease, budget, pause. ARGV: the asker's mark, value or '', its life in ms, 1 if denied, pause in ms, longest
-- pause in ms.
for _, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'string' and kind ~= 'none' then redis.call('DEL', key) end
end
if ARGV[4] == '1' then
  redis.call('DEL', KEYS[1])
elseif ARGV[2] ~= '' then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local kept = redis.call('GETRANGE', KEYS[1], 0, 14)
  kept = string.find(kept, '^%d+$') and tonumber(kept)
  if not kept or kept > now or kept <= tonumber(string.sub(ARGV[2], 1, 15)) then
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  end
end
local pause = math.min(tonumber(ARGV[5]), tonumber(ARGV[6]))
if pause > 0 and redis.call('PTTL', KEYS[4]) < pause then redis.call('SET', KEYS[4], '1', 'PX', string.format('%.0f', pause)) end
if redis.call('STRLEN', KEYS[2]) == #ARGV[1] and redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
return 1
