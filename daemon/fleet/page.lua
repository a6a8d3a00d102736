-- Returns one page of the marks: the cursor of the next, the newest entry of the log, how many values were skipped because
-- they are larger than any mark, then fields and values. What is skipped leaves: it is nobody's, and costs whoever scans.
-- KEYS: marks, last. ARGV: cursor, fields in a page, greatest value in bytes.
local newest = ''
if redis.call('TYPE', KEYS[2]).ok == 'string' and redis.call('STRLEN', KEYS[2]) <= 128 then newest = redis.call('GET', KEYS[2]) or '' end
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then return { '0', newest, '0' } end
local found = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local page, skipped = { found[1], newest, '0' }, 0
for i = 1, #found[2], 2 do
  if #found[2][i] <= 64 and #found[2][i + 1] <= tonumber(ARGV[3]) then
    page[#page + 1] = found[2][i]
    page[#page + 1] = found[2][i + 1]
  else
    skipped = skipped + 1
    redis.call('HDEL', KEYS[1], found[2][i])
  end
end
page[3] = tostring(skipped)
return page
