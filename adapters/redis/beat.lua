-- Keeps the instances that share a namespace, in one hash: for each when it was last
-- seen, for how long that holds, and its text.
--
-- KEYS[1]  the hash.
-- ARGV     the instance, its text and for how many milliseconds it holds; 0 removes it.
--
-- Returned is for each instance that is there when it was seen, in microseconds, and its
-- text. One that was not renewed in time is removed, as is one that was seen in a future
-- which will not come, because the clock was set back.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local ttl = tonumber(ARGV[3])
if ttl > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], struct.pack('<I7I7', now, ttl) .. ARGV[2])
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
local all, out, last = redis.call('HGETALL', KEYS[1]), {}, 0
for i = 1, #all, 2 do
  local value, left, seen = all[i + 1], 0, 0
  if #value >= 14 then
    local holds
    seen, holds = struct.unpack('<I7I7', value)
    local age = now - seen
    if age < holds * 1000 and -age < holds * 1000 then left = holds - math.max(age, 0) / 1000 end
  end
  if left > 0 then
    last = math.max(last, left)
    out[#out + 1] = string.format('%.0f', seen)
    out[#out + 1] = value:sub(15)
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
if last > 0 then redis.call('PEXPIRE', KEYS[1], math.ceil(last)) end
return out
