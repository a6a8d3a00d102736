-- Writes what a host says of itself, if it says something, and returns what all say.
-- KEYS: hosts, last. ARGV: greatest value in bytes, most hosts; then the host's id and its sealed words, or nothing.
-- Returns the newest entry of the log, the engine's time in seconds and microseconds, the host's words before, then fields
-- and values.
local hosts, last = KEYS[1], KEYS[2]
local most = tonumber(ARGV[1])
local kind = redis.call('TYPE', hosts).ok
if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', hosts) end
local before = ''
if ARGV[3] then
  if redis.call('HSTRLEN', hosts, ARGV[3]) <= most then before = redis.call('HGET', hosts, ARGV[3]) or '' end
  redis.call('HSET', hosts, ARGV[3], ARGV[4])
end
local newest = ''
if redis.call('TYPE', last).ok == 'string' and redis.call('STRLEN', last) <= 128 then newest = redis.call('GET', last) or '' end
local time = redis.call('TIME')
local all = { newest, time[1], time[2], before }
if redis.call('HLEN', hosts) <= tonumber(ARGV[2]) then
  for _, field in ipairs(redis.call('HKEYS', hosts)) do
    if #field <= 64 and redis.call('HSTRLEN', hosts, field) <= most then
      all[#all + 1] = field
      all[#all + 1] = redis.call('HGET', hosts, field)
    end
  end
end
return all
