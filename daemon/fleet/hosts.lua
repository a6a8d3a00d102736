-- Writes what a host says of itself, if it says something, and returns what all say. What no host can have written leaves: it
-- is nobody's, and costs whoever reads.
-- KEYS: hosts, last, log. ARGV: greatest value in bytes, most hosts; then the host's id and its sealed words, or nothing; then
-- the same of silent hosts, which it writes again if they are gone.
-- Returns the newest entry of the log, the engine's time in seconds and microseconds, the host's words before, how much was
-- removed because it is larger than it may be, then fields and values.
local hosts, last = KEYS[1], KEYS[2]
local most, skipped = tonumber(ARGV[1]), 0
local kind = redis.call('TYPE', hosts).ok
if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', hosts) end
if redis.call('HLEN', hosts) > tonumber(ARGV[2]) then -- each host comes back with its next words
  skipped = redis.call('HLEN', hosts)
  redis.call('DEL', hosts)
end
local before = ''
if ARGV[3] then
  if redis.call('HSTRLEN', hosts, ARGV[3]) <= most then before = redis.call('HGET', hosts, ARGV[3]) or '' end
  redis.call('HSET', hosts, ARGV[3], ARGV[4])
end
for i = 5, #ARGV, 2 do
  if redis.call('HSTRLEN', hosts, ARGV[i]) == 0 then redis.call('HSET', hosts, ARGV[i], ARGV[i + 1]) end
end
kind = redis.call('TYPE', last).ok
if kind ~= 'string' and kind ~= 'none' or kind == 'string' and redis.call('STRLEN', last) > 128 then
  skipped = skipped + 1
  redis.call('DEL', last, KEYS[3]) -- a log whose newest entry is not known is of no use
end
local newest = redis.call('GET', last) or ''
local time = redis.call('TIME')
local all = { newest, time[1], time[2], before, '0' }
for _, field in ipairs(redis.call('HKEYS', hosts)) do
  if #field <= 64 and redis.call('HSTRLEN', hosts, field) <= most then
    all[#all + 1] = field
    all[#all + 1] = redis.call('HGET', hosts, field)
  else
    skipped = skipped + 1
    redis.call('HDEL', hosts, field)
  end
end
all[5] = tostring(skipped)
return all
