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
-- A value begins with a mark of ours, the algorithm, limit, per and burst of the rule that it
-- was written under, and the generation:
--   paced   when the key was last seen, when its bucket is full again (whole, part); once
--           something was given back also the sum of that, and when the last receipt ends
--   windows the window, what was taken in it and in the one before
--   log     the sum, and for each call when it was and what it cost
-- The generation is part of every receipt. It changes with the rule and when the clock was
-- set back, which makes receipts from before void.
--
-- Making functions and tables costs time in every execution, so they are made when a call needs them:
-- the one that most do, a take from a token bucket, is decided without any.

local unpack, pack, floor, format, call = struct.unpack, struct.pack, math.floor, string.format, redis.pcall
local GCRA, FIXED, SLIDING, LOG, LEAKY = 0, 1, 2, 3, 4
local MARK, HEAD, ENTRY = 0xF5, 19, 12 -- the first byte, the size of what says the rule, of an entry of a log
local GENERATIONS = 1024
local REFUSED, ADMITTED, ERROR, FOREIGN = 0, 1, 2, 3

local now
local ms, slack, behind = 1000, 1000, 1000000 -- ticks in a millisecond; milliseconds a key outlives its use; ticks of a small step back
if ARGV[3] then
  now, ms, slack, behind = unpack('<I7I7I7I7', ARGV[3])
else
  local clock = redis.call('TIME')
  now = clock[1] * 1000000 + clock[2]
end

-- What the server could not do is in failed, and in readonly if it is true of all calls.
local failed, readonly

local function fail(reply)
  failed = failed or reply.err
  if reply.err:find('READONLY', 1, true) then readonly = reply end
  return false
end

-- make returns the function that decides every call.
local function make()
  local rules = {}
  for at = 1, #ARGV[1], 50 do
    local algorithm, limit, per, burst, p, q, whole, part = unpack('<BI7I7I7I7I7I7I7', ARGV[1], at)
    rules[#rules + 1] = {
      algorithm = algorithm, limit = limit, per = per, burst = burst, p = p, q = q, whole = whole, part = part,
      paced = algorithm == GCRA or algorithm == LEAKY, current = floor(now / per),
      head = pack('<BBI5I7I5', MARK, algorithm, limit, per, burst),
    }
  end

  -- The state of the key at hand is s, the time that it has reached t.
  local s, t = {
    generation = 0, void = false, fresh = false, sum = 0, ends = 0, seen = 0, whole = 0, part = 0,
    window = 0, count = 0, before = 0, total = 0, entries = '',
  }, now

  local rare -- returns the functions that few calls need

  local function write(key, r)
    local value, life
    if r.paced then
      local full = s.whole
      if s.part > 0 then full = full + 1 end
      if s.sum == 0 and s.ends <= full then
        value, life = pack('<c19I2I7I7I5', r.head, s.generation, s.seen, s.whole, s.part), full - now
      else
        if s.ends < full then s.ends = full end
        value, life = pack('<c19I2I7I7I5I7I7', r.head, s.generation, s.seen, s.whole, s.part, s.sum, s.ends), s.ends - now
      end
    elseif r.algorithm == LOG then
      value, life = pack('<c19I2I5', r.head, s.generation, s.total) .. s.entries, 0
      if #s.entries > 0 then life = unpack('<I7', s.entries, #s.entries - ENTRY + 1) + r.per - now end
    else
      value = pack('<c19I2I7I5I5', r.head, s.generation, s.window, s.count, s.before)
      life = (s.window + (r.algorithm == SLIDING and 2 or 1)) * r.per - now
    end
    if life < 0 then life = 0 end
    local reply = call('SET', key, value, 'PX', format('%.0f', (life - life % ms) / ms + slack))
    return not reply.err or fail(reply)
  end

  -- Each of the following decides one call and returns whether it passes and the three
  -- numbers of its answer. x and y are the cost, in ticks and parts or as it is.

  local function askPaced(r, x, y, take)
    local whole, part, q = s.whole, s.part, r.q
    if whole < t then whole, part = t, 0 end
    local after, rest = whole + x, part + y
    if rest >= q then after, rest = after + 1, rest - q end
    local ok
    if r.algorithm == GCRA then
      local ahead = after - t
      ok = ahead < r.whole or ahead == r.whole and rest <= r.part
    else
      ok = whole == t and part == 0
    end
    if not (ok and take) then return ok, whole - t, part, 0 end
    if s.sum > 0 and s.ends <= t then rare().restart() end -- no receipt is left that counts
    s.seen, s.whole, s.part = t, after, rest
    return ok, after - t, rest, (rest > 0 and after + 1 or after) + s.sum
  end

  local function askWindow(r, cost, _, take)
    local window = t == now and r.current or floor(t / r.per)
    if s.window < window then -- those that have gone by
      s.before = s.window == window - 1 and r.algorithm == SLIDING and s.count or 0
      s.window, s.count = window, 0
    end
    local room = r.limit - s.count - cost
    local ok = room >= 0
    if ok and s.before > 0 then
      local left = (window + 1) * r.per - t
      local weighs, free = s.before * left, room * r.per
      if weighs < 9007199254740992 or free < 9007199254740992 then
        ok = weighs <= free -- one of them is exact, and the other not rounded past it
      else
        ok = rare().weight(s.before, left, r.per) <= room
      end
    end
    if ok and take then s.count = s.count + cost end
    return ok, s.count, s.before, s.window
  end

  -- read fills s from a value and returns the rule that it was written under, or nil if it is
  -- not ours. False stands for no value.
  local function read(v, r)
    s.void, s.fresh, s.sum, s.ends = false, false, 0, 0
    local size = v and #v
    if size == 40 and r.paced then
      local head
      head, s.generation, s.seen, s.whole, s.part = unpack('<c19I2I7I7I5', v)
      if head == r.head and s.seen <= now then return r end
    elseif size == 38 and not r.paced and r.algorithm ~= LOG then
      local head
      head, s.generation, s.window, s.count, s.before = unpack('<c19I2I7I5I5', v)
      if head == r.head and s.window <= r.current then return r end
    elseif not v then
      s.fresh, s.generation = true, floor(now / 1048576) % GENERATIONS
      s.seen, s.whole, s.part = now, now, 0
      s.window, s.count, s.before = r.current, 0, 0
      s.total, s.entries = 0, ''
      return r
    end
    return rare().read(v, r)
  end

  local function answer(key, v, r, what, x, y, mark, generation)
    if type(v) == 'table' then
      if v.err:find('WRONGTYPE', 1, true) then return FOREIGN, 0, 0, 0 end
      fail(v)
      return ERROR, 0, 0, 0
    end
    local old = read(v, r)
    if not old then return FOREIGN, 0, 0, 0 end
    if what == 2 then
      if old == r and not s.fresh and s.generation == generation and rare().refund(r, x, y, mark) and not write(key, r) then
        return ERROR, 0, 0, 0
      end
      return ADMITTED, 0, 0, 0
    end
    if old ~= r then rare().inherit(old, r) end
    local ask = r.paced and askPaced or r.algorithm == LOG and rare().askLog or askWindow
    local ok, a, b, c = ask(r, x, y, what == 0)
    if what == 0 and (s.void or ok and x + y > 0) and not write(key, r) then return ERROR, 0, 0, 0 end
    return ok and ADMITTED or REFUSED, a, b, c
  end

  local made
  rare = function()
    if made then return made end
    local MOST, CAP = 1099511627775, 1125899906842624 -- of a count (5 bytes), of a debt in ticks (35 years)

    -- restart makes all receipts of a key void.
    local function restart()
      s.generation, s.void, s.sum = (s.generation + 1) % GENERATIONS, true, 0
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

    -- weight is the part of what was taken before that still counts, rounded up.
    local function weight(before, left, per) return up(muldiv(before, left, per)) end

    -- entry returns when the call number i (from 0) of a log was, and what it cost.
    local function entry(i) return unpack('<I7I5', s.entries, i * ENTRY + 1) end

    -- settle sets t, to no time before what the key has seen: it stands still while the clock is a
    -- little behind, and after a greater step back the key follows it with all that was taken.
    local function settle(r)
      local n, seen = #s.entries / ENTRY, 0
      if r.paced then
        seen = s.seen
      elseif r.algorithm ~= LOG then
        seen = s.window * r.per
      elseif n > 0 then
        seen = entry(n - 1)
      end
      local step = seen - now
      if step <= 0 then return end
      if step <= behind then t = seen return end
      if r.paced then
        s.seen, s.whole, s.ends = now, s.whole - step, s.ends - step
      elseif r.algorithm == LOG then
        local moved = {}
        for i = 0, n - 1 do
          local at, cost = entry(i)
          moved[i + 1] = pack('<I7I5', math.max(at - step, 0), cost)
        end
        s.entries = table.concat(moved)
      else
        s.window = floor(now / r.per)
      end
      restart()
    end

    -- read is that above, for values of every form.
    local function readAny(v, r)
      local size = #v
      if size < HEAD + 2 then return nil end
      local mark, algorithm, limit, per, burst
      mark, algorithm, limit, per, burst, s.generation = unpack('<BBI5I7I5I2', v)
      if mark ~= MARK or s.generation >= GENERATIONS or limit < 1 or per < 1 or burst < 1 then return nil end
      s.sum, s.ends, s.entries = 0, 0, ''
      if algorithm == GCRA or algorithm == LEAKY then
        if size == 54 then
          s.seen, s.whole, s.part, s.sum, s.ends = unpack('<I7I7I5I7I7', v, 22)
        elseif size == 40 then
          s.seen, s.whole, s.part = unpack('<I7I7I5', v, 22)
        else
          return nil
        end
      elseif algorithm == LOG then
        if size < 26 or (size - 26) % ENTRY ~= 0 then return nil end
        s.total, s.entries = unpack('<I5', v, 22), v:sub(27)
      elseif (algorithm == FIXED or algorithm == SLIDING) and size == 38 then
        s.window, s.count, s.before = unpack('<I7I5I5', v, 22)
      else
        return nil
      end
      local old = r
      if v:sub(1, HEAD) ~= r.head then
        local a, b = per, limit
        while b > 0 do a, b = b, a % b end
        old = {
          algorithm = algorithm, limit = limit, per = per, burst = burst, p = per / a, q = limit / a,
          paced = algorithm == GCRA or algorithm == LEAKY,
        }
      end
      settle(old)
      return old
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
      if r.paced then return up(missing(r)) end
      if r.algorithm == LOG then
        expire(r)
        return s.total
      end
      local window = floor(t / r.per)
      if s.window < window - 1 then return 0 end
      if s.window == window then return s.count + weight(s.before, (window + 1) * r.per - t, r.per) end
      return r.algorithm == SLIDING and weight(s.count, (window + 1) * r.per - t, r.per) or 0
    end

    -- inherit turns s, which was written under another rule, into what it is under r: what was
    -- taken stays taken and runs off at the new rate.
    local function inherit(old, r)
      if old.paced and r.paced then
        local tokens, rest = missing(old)
        local whole, part = muldiv(tokens, r.p, r.q)
        part = part + up(muldiv(rest, r.p, old.p))
        s.ends = math.max(s.ends, up(s.whole, s.part)) -- receipts of the old rule are void as long as the key is there
        s.seen, s.whole, s.part = t, t + math.min(whole + floor(part / r.q), CAP), part % r.q
      elseif old.algorithm ~= r.algorithm or old.per ~= r.per then
        local taken = math.min(used(old), MOST)
        if r.paced then
          local whole, part = muldiv(taken, r.p, r.q)
          s.seen, s.whole, s.part = t, t + math.min(whole, CAP), part
        elseif r.algorithm == LOG then
          s.total, s.entries = taken, taken > 0 and pack('<I7I5', t, taken) or ''
        else
          s.window, s.count, s.before = floor(t / r.per), taken, 0
        end
      end
      restart()
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

    -- refundPaced gives back what time has not: all that is ahead, up to the cost, if nothing
    -- came after the call, else what is left until its end less what was given back since.
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
      s.ends = math.max(s.ends, up(s.whole, s.part))
      s.seen, s.whole, s.part = t, s.whole - back, s.part - rest
      if s.part < 0 then s.whole, s.part = s.whole - 1, s.part + r.q end
      if not last then
        s.sum = s.sum + up(back, rest)
        if s.sum > 2251799813685248 then restart() end
      end
      return true
    end

    local function refundWindow(cost, window)
      if window == s.window then
        s.count = math.max(s.count - cost, 0)
      elseif window == s.window - 1 then
        s.before = math.max(s.before - cost, 0)
      else
        return false
      end
      return true
    end

    local function refundLog(cost, moment)
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

    local function refund(r, x, y, mark)
      if r.paced then return refundPaced(r, x, y, mark) end
      if r.algorithm == LOG then return refundLog(x, mark) end
      return refundWindow(x, mark)
    end

    made = { weight = weight, read = readAny, inherit = inherit, askLog = askLog, refund = refund, restart = restart }
    return made
  end

  return function(i, v, what, rule, x, y, mark, generation)
    t, s.generation = now, 0
    if v == nil then v = call('GET', KEYS[i]) end
    local state, a, b, c = answer(KEYS[i], v, rules[rule], what, x, y, mark, generation)
    return state, s.generation, t - now, a, b, c
  end
end

local decide
local out = { pack('<I7', now) }
local known, algorithm, q, most, part, head -- of the rule of the call before
for i = 1, #KEYS do
  local what, rule, x, y, mark, generation = unpack('<BI2I7I7I7I2', ARGV[2], i * 26 - 25)
  local state, lead, a, b, c, v = ADMITTED, 0, 0, 0, 0, nil
  local easy = false
  if what == 0 then
    if rule ~= known then
      local limit, per, burst, p
      known, algorithm, limit, per, burst, p, q, most, part = rule, unpack('<BI7I7I7I7I7I7I7', ARGV[1], rule * 50 - 49)
      head = pack('<BBI5I7I5', MARK, algorithm, limit, per, burst)
    end
    if algorithm == GCRA then
      -- What askPaced does, where nothing was given back and nothing has changed.
      local whole, rest = now, 0
      v = call('GET', KEYS[i])
      if not v then
        easy, generation = true, floor(now / 1048576) % GENERATIONS
      elseif type(v) == 'string' and #v == 40 then
        local written, g, seen, w, r = unpack('<c19I2I7I7I5', v)
        if written == head and seen <= now then
          easy, generation = true, g
          if w >= now then whole, rest = w, r end
        end
      end
      if easy then
        a, b = whole + x, rest + y
        if b >= q then a, b = a + 1, b - q end
        if a - now > most or a - now == most and b > part then
          state, a, b = REFUSED, whole - now, rest
        else
          c = b > 0 and a + 1 or a
          if x + y > 0 then
            local life = c - now
            local reply = call('SET', KEYS[i], pack('<c19I2I7I7I5', head, generation, now, a, b), 'PX', format('%.0f', (life - life % ms) / ms + slack))
            if reply.err then
              fail(reply)
              state = ERROR
            end
          end
          a = a - now
        end
      end
    end
  end
  if what == 3 then
    local reply = call('DEL', KEYS[i])
    if type(reply) == 'table' then
      fail(reply)
      state = ERROR
    end
  elseif not easy then
    decide = decide or make()
    state, generation, lead, a, b, c = decide(i, v, what, rule, x, y, mark, generation)
  end
  if readonly then return readonly end -- no call of the batch can be taken
  out[i + 1] = pack('<BI2I4I7I7I7', state, generation, lead, a, b, c)
end
out[#out + 1] = failed and failed:sub(1, 200)
return table.concat(out)
