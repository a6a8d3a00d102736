-- Decides who fetches what nobody here has.
-- KEYS: profile, lease, budget, pause. ARGV: 1 greatest value in bytes; 2 greatest age in ms, -1 takes none; 3 the asker's mark;
-- 4 lease in ms, 0 takes none; 5 1 to take over another's lease; 6 microseconds for each call, 0 without budget; 7 burst;
-- 8 calls to leave for others; 9 longest pause in ms; 10 1 to look only.
-- Returns the engine's time in ms, then: have VALUE | wait MS | pause MS | budget MS | go | none; then how many values were
-- removed because they are larger than they may be.
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local at = string.format('%.0f', now)
local skipped = 0
for i, most in ipairs({ tonumber(ARGV[1]), 64, 64, 64 }) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind == 'string' and redis.call('STRLEN', KEYS[i]) > most then
    skipped = skipped + 1
    kind = ''
  end
  if kind ~= 'string' and kind ~= 'none' then redis.call('DEL', KEYS[i]) end
end
local function answer(word, value) return { at, word, value, tostring(skipped) } end

local age = tonumber(ARGV[2])
if age >= 0 and redis.call('STRLEN', KEYS[1]) > 15 then
  local fetched = tonumber(redis.call('GETRANGE', KEYS[1], 0, 14))
  if fetched and now - fetched <= age then return answer('have', redis.call('GET', KEYS[1])) end
end
if ARGV[10] == '1' then return answer('none', '') end

-- How long a key still lives, in ms, whoever set it.
local function left(key, most)
  local ms = redis.call('PTTL', key)
  if ms == -1 or ms > most then
    redis.call('PEXPIRE', key, most)
    return most
  end
  return ms
end

local lease = tonumber(ARGV[4])
if lease > 0 and ARGV[5] ~= '1' then
  local taken = left(KEYS[2], lease)
  if taken > 0 then return answer('wait', tostring(taken)) end
end
local ms = left(KEYS[4], tonumber(ARGV[9]))
if ms > 0 then return answer('pause', tostring(ms)) end
local each, burst = tonumber(ARGV[6]), tonumber(ARGV[7])
if each > 0 then
  -- GCRA: the instant at which the budget is whole again moves on by one call, and may be a burst ahead.
  local whole = micros
  local kept = redis.call('GET', KEYS[3]) or ''
  if string.find(kept, '^%d+$') then whole = tonumber(kept) end
  local function keep(instant)
    redis.call('SET', KEYS[3], string.format('%.0f', instant), 'PX', string.format('%.0f', math.ceil((instant - micros) / 1000) + 1000))
  end
  if whole > micros + burst * each then -- a clock that was set back, or somebody else's
    whole = micros + burst * each
    keep(whole)
  end
  whole = math.max(whole, micros)
  local early = whole + (1 + tonumber(ARGV[8]) - burst) * each - micros
  if early > 0 then return answer('budget', string.format('%.0f', math.ceil(early / 1000))) end
  keep(whole + each)
end
if lease > 0 then redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4]) end
return answer('go', '')
