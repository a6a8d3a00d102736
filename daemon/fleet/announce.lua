-- Announces marks. For each: the larger of what is kept and what comes, compared here; then an entry in the log that names
-- the one before it, so that a reader notices when one is missing.
-- KEYS: log, marks, last. ARGV: length of the log, greatest value in bytes, 1 to log also what changes nothing; then for each
-- mark: name, sealed entry, and twice (revoked, undone): order in digits, sealed value, SHA-1 of a value that does not open.
local log, marks, last = KEYS[1], KEYS[2], KEYS[3]
local most = tonumber(ARGV[2])

local function typed(key, wanted)
  local found = redis.call('TYPE', key).ok
  if found ~= wanted and found ~= 'none' then redis.call('DEL', key) end
end
typed(log, 'stream') typed(marks, 'hash') typed(last, 'string')

-- The order of a value that is of the right form, else nil.
local function order(field, width, broken)
  if redis.call('HSTRLEN', marks, field) > most then return nil end
  local value = redis.call('HGET', marks, field)
  if not value or #value <= width or string.find(string.sub(value, 1, width), '%D') then return nil end
  if broken ~= '' and redis.sha1hex(value) == broken then return nil end
  return string.sub(value, 1, width)
end

local function put(field, width, new, sealed, broken)
  if new == '' then return false end
  local old = order(field, width, broken)
  if old and old >= new then return false end
  redis.call('HSET', marks, field, new .. sealed)
  return true
end

local before = redis.call('STRLEN', last) <= 128 and redis.call('GET', last) or ''
if not string.find(before, '^%d+%-%d+ %x+$') then before = '0-0 0' end
local written = {}
for i = 4, #ARGV, 8 do
  local name, body = ARGV[i], ARGV[i + 1]
  local revoked = put('r:' .. name, 60, ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
  local undone = put('u:' .. name, 40, ARGV[i + 5], ARGV[i + 6], ARGV[i + 7])
  if revoked or undone or ARGV[3] == '1' then
    local id = redis.pcall('XADD', log, 'MAXLEN', '~', ARGV[1], '*', 'p', before, 'n', name, 'b', body)
    if type(id) == 'table' then -- somebody has used up the numbers of entries
      redis.call('DEL', log)
      id = redis.call('XADD', log, '*', 'p', before, 'n', name, 'b', body)
    end
    before = id .. ' ' .. redis.sha1hex(before .. '\n' .. name .. '\n' .. body)
    redis.call('SET', last, before)
    written[#written + 1] = before
  else
    written[#written + 1] = ''
  end
end

-- Some of what is over leaves with each call, and what cannot be a mark.
local now = tonumber(redis.call('TIME')[1])
for _, field in ipairs(redis.call('HRANDFIELD', marks, 8)) do
  local width = string.sub(field, 1, 2) == 'r:' and 60 or 40
  local found = order(field, width, '')
  if not found or tonumber(string.sub(found, width - 19)) + 3600 < now then redis.call('HDEL', marks, field) end
end
return written
