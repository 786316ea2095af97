-- Decides a batch of calls in one execution, each for itself and in order.
--
-- KEYS      one key for each call; two calls may name the same.
-- ARGV[1]   the rules that the calls refer to, 50 bytes each:
--           algorithm, limit, per, burst, p, q, and the burst as whole and part.
-- ARGV[2]   the calls, 26 bytes each: what to do (0 take, 1 peek, 2 refund, 3 reset),
--           the rule, two numbers of the cost, and of a refund the mark and generation.
-- ARGV[3]   only in tests: a clock, and what a tick of it is.
--
-- Returned is one text: the server's time, then 28 bytes for each call (its state, the
-- generation of the key, how far the key's time is ahead of the server's, and three
-- numbers that depend on the algorithm), then the text of the first error, if any.
--
-- Every number is an integer below 2^53, which a double holds exactly; products that may
-- be greater go through muldiv. A tick is a microsecond. Paced algorithms know times to
-- 1/q of a tick, where p/q is per/limit in lowest terms and so the time of one token: as
-- whole ticks and a part below q.
--
-- A value begins with a mark of ours, the algorithm, the generation, and the limit, per
-- and burst of the rule that it was written under:
--   paced   when the key was last seen, when its bucket is full again (whole, part); once
--           something was given back also the sum of that, and when the last receipt ends
--   windows the window, what was taken in it and in the one before
--   log     the sum, and for each call when it was and what it cost
-- The generation is part of every receipt. It changes with the rule and when the clock was
-- set back, which makes receipts from before void.

local unpack, pack, floor = struct.unpack, struct.pack, math.floor
local GCRA, FIXED, SLIDING, LOG, LEAKY = 0, 1, 2, 3, 4
local MARK, HEAD, ENTRY = 0xF5, 21, 12
local MOST, CAP = 1099511627775, 1125899906842624 -- of a count (5 bytes), of a debt in ticks (35 years)
local GENERATIONS = 1024

local now
local ms, slack, behind = 1000, 1000, 1000000 -- ticks in a millisecond; milliseconds a key outlives its use; ticks of a small step back
if ARGV[3] then
  now, ms, slack, behind = unpack('<I7I7I7I7', ARGV[3])
else
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
end

-- muldiv returns a*b/d rounded down, and the remainder.
local function muldiv(a, b, d)
  local product = a * b
  if product < 9007199254740992 then
    local r = product % d
    return (product - r) / d, r
  end
  local ar = a % d
  local aq = (a - ar) / d
  local quotient, rest, bit = 0, 0, 4503599627370496
  while bit >= 1 do
    quotient, rest = 2 * quotient, 2 * rest
    if rest >= d then quotient, rest = quotient + 1, rest - d end
    if b >= bit then
      b, quotient, rest = b - bit, quotient + aq, rest + ar
      if rest >= d then quotient, rest = quotient + 1, rest - d end
    end
    bit = bit / 2
  end
  return quotient, rest
end

local function up(quotient, rest)
  if rest > 0 then return quotient + 1 end
  return quotient
end

local function paced(a) return a == GCRA or a == LEAKY end

local rules = {}
for at = 1, #ARGV[1], 50 do
  local r = {}
  r.algorithm, r.limit, r.per, r.burst, r.p, r.q, r.whole, r.part = unpack('<BI7I7I7I7I7I7I7', ARGV[1], at)
  rules[#rules + 1] = r
end

-- s is the state of the key at hand, t the time that it has reached.
local s, t = {}, 0
local failed, readonly

local function unused(r)
  s.algorithm, s.generation, s.void, s.fresh = r.algorithm, floor(now / 1048576) % GENERATIONS, false, true
  if paced(r.algorithm) then
    s.seen, s.whole, s.part, s.sum, s.ends = now, now, 0, 0, now
  elseif r.algorithm == LOG then
    s.total, s.entries = 0, ''
  else
    s.window, s.count, s.before = floor(now / r.per), 0, 0
  end
end

-- read fills s from a value and returns the rule that it was written under, or nil if it
-- is not ours.
local function read(v, r)
  local size = #v
  if size < HEAD then return nil end
  local mark, algorithm, generation, limit, per, burst = unpack('<BBI2I5I7I5', v)
  if mark ~= MARK or generation >= GENERATIONS or limit < 1 or per < 1 or burst < 1 then return nil end
  s.algorithm, s.generation, s.void, s.fresh = algorithm, generation, false, false
  if paced(algorithm) then
    if size == 54 then
      s.seen, s.whole, s.part, s.sum, s.ends = unpack('<I7I7I5I7I7', v, HEAD + 1)
    elseif size == 40 then
      s.seen, s.whole, s.part = unpack('<I7I7I5', v, HEAD + 1)
      s.sum, s.ends = 0, up(s.whole, s.part)
    else
      return nil
    end
  elseif algorithm == LOG then
    if size < HEAD + 5 or (size - HEAD - 5) % ENTRY ~= 0 then return nil end
    s.total, s.entries = unpack('<I5', v, HEAD + 1), v:sub(HEAD + 6)
  elseif algorithm == FIXED or algorithm == SLIDING then
    if size ~= 38 then return nil end
    s.window, s.count, s.before = unpack('<I7I5I5', v, HEAD + 1)
  else
    return nil
  end
  if algorithm == r.algorithm and limit == r.limit and per == r.per and burst == r.burst then return r end
  local a, b = per, limit
  while b > 0 do a, b = b, a % b end
  return { algorithm = algorithm, limit = limit, per = per, burst = burst, p = per / a, q = limit / a }
end

-- done reports whether the server did what it was told.
local function done(reply)
  if type(reply) ~= 'table' or not reply.err then return true end
  failed = failed or reply.err
  if reply.err:find('READONLY', 1, true) then readonly = reply end -- no call of the batch can be taken
  return false
end

local function write(key, r)
  local head, life = pack('<BBI2I5I7I5', MARK, r.algorithm, s.generation, r.limit, r.per, r.burst), 0
  if paced(r.algorithm) then
    local full = up(s.whole, s.part)
    s.ends = math.max(s.ends, full)
    life = s.ends - now
    if s.sum == 0 and s.ends == full then
      head = head .. pack('<I7I7I5', s.seen, s.whole, s.part)
    else
      head = head .. pack('<I7I7I5I7I7', s.seen, s.whole, s.part, s.sum, s.ends)
    end
  elseif r.algorithm == LOG then
    if #s.entries > 0 then life = unpack('<I7', s.entries, #s.entries - ENTRY + 1) + r.per - now end
    head = head .. pack('<I5', s.total) .. s.entries
  else
    life = (s.window + (r.algorithm == SLIDING and 2 or 1)) * r.per - now
    head = head .. pack('<I7I5I5', s.window, s.count, s.before)
  end
  return done(redis.pcall('SET', key, head, 'PX', math.max(math.ceil(life / ms), 0) + slack))
end

local function restart()
  s.generation, s.void = (s.generation + 1) % GENERATIONS, true
  s.sum = 0
end

-- entry returns when the call number i (from 0) of a log was, and what it cost.
local function entry(i) return unpack('<I7I5', s.entries, i * ENTRY + 1) end

-- settle sets t, to no time before what the key has seen: it stands still while the clock is a little
-- behind, and after a greater step back the key follows it with all that was taken.
local function settle(r)
  t = now
  if paced(r.algorithm) then
    local step = s.seen - now
    if step <= 0 then return end
    if step <= behind then t = s.seen return end
    s.seen, s.whole, s.ends = now, s.whole - step, s.ends - step
    restart()
  elseif r.algorithm == LOG then
    local n = #s.entries / ENTRY
    if n == 0 then return end
    local last = entry(n - 1)
    local step = last - now
    if step <= 0 then return end
    if step <= behind then t = last return end
    local moved = {}
    for i = 0, n - 1 do
      local at, cost = entry(i)
      moved[i + 1] = pack('<I7I5', math.max(at - step, 0), cost)
    end
    s.entries = table.concat(moved)
    restart()
  else
    local start = s.window * r.per
    if start <= now then return end
    if start - now <= behind then t = start return end
    s.window = floor(now / r.per)
    restart()
  end
end

-- slide brings the counts of a key to the window of t.
local function slide(r)
  local window = floor(t / r.per)
  if s.window >= window then return end
  if s.window == window - 1 and r.algorithm == SLIDING then s.before = s.count else s.before = 0 end
  s.window, s.count = window, 0
end

-- expire drops the calls of a log that no longer count and returns how many.
local function expire(r)
  local n, i = #s.entries / ENTRY, 0
  while i < n do
    local at, cost = entry(i)
    if t - at < r.per then break end
    s.total, i = s.total - cost, i + 1
  end
  if i > 0 then s.entries = s.entries:sub(i * ENTRY + 1) end
  return i
end

-- missing is what is missing from a bucket: whole tokens, and the rest in 1/q of a tick.
local function missing(r)
  if s.whole < t then return 0, 0 end
  local tokens, rest = muldiv(s.whole - t, r.q, r.p)
  rest = rest + s.part
  return tokens + floor(rest / r.p), rest % r.p
end

-- used is how much of a rule is taken, rounded up.
local function used(r)
  if paced(r.algorithm) then return up(missing(r)) end
  if r.algorithm == LOG then
    expire(r)
    return s.total
  end
  slide(r)
  return s.count + up(muldiv(s.before, (s.window + 1) * r.per - t, r.per))
end

-- inherit turns s, which was written under another rule, into what it is under r: what was taken stays
-- taken and runs off at the new rate.
local function inherit(old, r)
  local ends = s.ends or t
  if paced(old.algorithm) and paced(r.algorithm) then
    local tokens, rest = missing(old)
    local whole, part = muldiv(tokens, r.p, r.q)
    part = part + up(muldiv(rest, r.p, old.p))
    s.seen, s.whole, s.part = t, t + math.min(whole + floor(part / r.q), CAP), part % r.q
    s.ends = math.max(ends, up(s.whole, s.part))
  elseif old.algorithm ~= r.algorithm or old.per ~= r.per then
    local taken = math.min(used(old), MOST)
    if paced(r.algorithm) then
      local whole, part = muldiv(taken, r.p, r.q)
      s.seen, s.whole, s.part = t, t + math.min(whole, CAP), part
      s.ends = up(s.whole, s.part)
    elseif r.algorithm == LOG then
      s.total, s.entries = taken, taken > 0 and pack('<I7I5', t, taken) or ''
    else
      s.window, s.count, s.before = floor(t / r.per), taken, 0
    end
  end
  s.algorithm = r.algorithm
  restart()
end

-- Each of the following decides one call and returns whether it passes and the three
-- numbers of its answer. x and y are the cost, in ticks and parts or as it is.

local function askPaced(r, x, y, take)
  local whole, part = s.whole, s.part
  if whole < t then whole, part = t, 0 end
  local after, rest = whole + x, part + y
  if rest >= r.q then after, rest = after + 1, rest - r.q end
  local ok
  if r.algorithm == LEAKY then
    ok = whole == t and part == 0
  else
    local ahead = after - t
    ok = ahead < r.whole or ahead == r.whole and rest <= r.part
  end
  if s.sum > 0 and s.ends <= t then restart() end -- no receipt is left that counts
  if ok and take then
    s.seen, s.whole, s.part = t, after, rest
    return ok, after - t, rest, up(after, rest) + s.sum
  end
  return ok, whole - t, part, 0
end

-- outweighs reports whether a share of what was taken before is more than the room.
local function outweighs(before, left, per, room)
  local taken, free = before * left, room * per
  if taken < 9007199254740992 or free < 9007199254740992 then return taken > free end
  if math.abs(taken - free) > free / 1099511627776 then return taken > free end
  return up(muldiv(before, left, per)) > room
end

local function askWindow(r, cost, _, take)
  slide(r)
  local room = r.limit - s.count - cost
  local ok = room >= 0
  if ok and s.before > 0 then ok = not outweighs(s.before, (s.window + 1) * r.per - t, r.per, room) end
  if ok and take then s.count = s.count + cost end
  return ok, s.count, s.before, s.window
end

local function askLog(r, cost, _, take)
  if expire(r) > 64 then s.void = true end -- worth storing, even with a refusal
  local n = #s.entries / ENTRY
  local ok = cost <= r.limit - s.total
  if ok and take and cost > 0 then
    local last, with = 0, 0
    if n > 0 then last, with = entry(n - 1) end
    if n > 0 and last == t then
      s.entries = s.entries:sub(1, -ENTRY - 1) .. pack('<I7I5', t, with + cost)
    else
      s.entries = s.entries .. pack('<I7I5', t, cost)
    end
    s.total = s.total + cost
    return ok, s.total, 0, r.per
  end
  if n == 0 then return ok, s.total, 0, 0 end
  local retry = 0
  if not ok then
    local need, at, with = s.total + cost - r.limit, 0, 0
    for i = 0, n - 1 do
      at, with = entry(i)
      need = need - with
      if need <= 0 then break end
    end
    retry = r.per - (t - at)
  end
  return ok, s.total, retry, r.per - (t - entry(n - 1))
end

-- refundPaced gives back what time has not: all that is ahead, up to the cost, if nothing came after the
-- call, else what is left until its end less what was given back since.
local function refundPaced(r, x, y, mark)
  local ends = mark - s.sum
  local back, rest
  local last = r.p >= r.q and (s.whole < ends or s.whole == ends and s.part == 0)
  if last then
    back, rest = s.whole - t, s.part
  elseif r.algorithm == LEAKY then
    return false
  else
    back, rest = ends - 1 - t, 1 -- the mark was rounded up
    if r.q == 1 then back, rest = ends - t, 0 end
  end
  if back > x or back == x and rest > y then back, rest = x, y end
  if back < 0 or back == 0 and rest == 0 then return false end
  s.seen, s.whole, s.part = t, s.whole - back, s.part - rest
  if s.part < 0 then s.whole, s.part = s.whole - 1, s.part + r.q end
  if not last then
    s.sum = s.sum + up(back, rest)
    if s.sum > 2251799813685248 then restart() end
  end
  return true
end

local function refundWindow(_, cost, _, window)
  if window == s.window then
    s.count = math.max(s.count - cost, 0)
  elseif window == s.window - 1 then
    s.before = math.max(s.before - cost, 0)
  else
    return false
  end
  return true
end

local function refundLog(_, cost, _, moment)
  local low, high = 0, #s.entries / ENTRY
  while low < high do
    local middle = floor((low + high) / 2)
    if entry(middle) < moment then low = middle + 1 else high = middle end
  end
  if low == #s.entries / ENTRY then return false end
  local at, with = entry(low)
  if at ~= moment then return false end
  local back = math.min(cost, with)
  local left = with > back and pack('<I7I5', at, with - back) or ''
  s.total = s.total - back
  s.entries = s.entries:sub(1, low * ENTRY) .. left .. s.entries:sub((low + 1) * ENTRY + 1)
  return true
end

local ask = { [GCRA] = askPaced, [LEAKY] = askPaced, [FIXED] = askWindow, [SLIDING] = askWindow, [LOG] = askLog }
local refund = { [GCRA] = refundPaced, [LEAKY] = refundPaced, [FIXED] = refundWindow, [SLIDING] = refundWindow, [LOG] = refundLog }

local REFUSED, ADMITTED, ERROR, FOREIGN = 0, 1, 2, 3

-- load reads the key at hand, and returns the rule that it was written under or the state of an answer.
local function load(key, r)
  local v = redis.pcall('GET', key)
  if v == false then
    unused(r)
    t = now
    return r
  end
  if type(v) == 'table' then
    if v.err:find('WRONGTYPE', 1, true) then return nil, FOREIGN end
    failed = failed or v.err
    return nil, ERROR
  end
  local old = read(v, r)
  if not old then return nil, FOREIGN end
  settle(old)
  return old
end

local function decide(key, r, what, x, y, mark, generation)
  local old, bad = load(key, r)
  if bad then return bad, 0, 0, 0 end
  if what == 2 then
    if old == r and not s.fresh and s.generation == generation and refund[r.algorithm](r, x, y, mark) and not write(key, r) then
      return ERROR, 0, 0, 0
    end
    return ADMITTED, 0, 0, 0
  end
  if old ~= r then inherit(old, r) end
  local take = what == 0
  local ok, a, b, c = ask[r.algorithm](r, x, y, take)
  if take and (s.void or ok and (x > 0 or y > 0)) and not write(key, r) then return ERROR, 0, 0, 0 end
  return ok and ADMITTED or REFUSED, a, b, c
end

local out = { pack('<I7', now) }
for i = 1, #KEYS do
  local what, rule, x, y, mark, generation = unpack('<BI2I7I7I7I2', ARGV[2], i * 26 - 25)
  local state, a, b, c = ADMITTED, 0, 0, 0
  t, s.generation = now, 0
  if what == 3 then
    if not done(redis.pcall('DEL', KEYS[i])) then state = ERROR end
  else
    state, a, b, c = decide(KEYS[i], rules[rule], what, x, y, mark, generation)
  end
  if readonly then return readonly end
  out[i + 1] = pack('<BI2I4I7I7I7', state, s.generation, t - now, a, b, c)
end
out[#out + 1] = failed and failed:sub(1, 200)
return table.concat(out)
