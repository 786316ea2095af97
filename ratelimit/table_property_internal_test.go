package ratelimit

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
)

// A rule that fits a word is decided without a lock, at 24 bytes a key: these are the
// rules that people write. The others are decided all the same.
func TestOrdinaryRulesFitAWord(t *testing.T) {
	for _, c := range []struct {
		algorithm  Algorithm
		limit      int64
		per        time.Duration
		burst      int64
		wordTable  bool
		extraPeaks int64 // a limit before this one
	}{
		{GCRA, 10, time.Second, 0, true, 0},
		{GCRA, 1000, time.Minute, 100_000, true, 0},
		{GCRA, 999_983, time.Second, 0, true, 0},
		{LeakyBucket, 5, time.Hour, 50, true, 0},
		{GCRA, 1, 24 * time.Hour, 1, true, 0},
		{GCRA, 1, 1 << 59, 1, false, 0},                 // the bucket is too large
		{GCRA, 1, 1<<59 - 1, 1, true, 0},                // and this one just not
		{GCRA, 1_000_000_007, time.Second, 1, false, 0}, // a unit is too small
		{GCRA, 1 << 20, 1<<30 + 1, 1, true, 0},          // 2⁵⁹/2²⁰ ns are 549 s
		{GCRA, 1<<20 + 1<<15, 1<<30 + 1, 1, false, 0},
		{FixedWindow, 1000, time.Minute, 0, true, 0},
		{FixedWindow, 1 << 20, time.Second, 0, true, 0},
		{FixedWindow, 1<<59 - 1, time.Hour, 0, true, 0}, // 3 bits are left, 2 windows on each side
		{FixedWindow, 1 << 59, time.Hour, 0, false, 0},
		{FixedWindow, 1<<59 - 1, 4 * time.Minute, 0, false, 0}, // within 8 minutes they are over
		{FixedWindow, 1<<59 - 1, 270 * time.Second, 0, true, 0},
		{SlidingWindow, 1000, time.Minute, 0, true, 0},
		{SlidingWindow, 1<<29 - 1, time.Hour, 0, true, 0},
		{SlidingWindow, 1 << 30, time.Hour, 0, false, 0},
		{SlidingLog, 10, time.Second, 0, false, 0},
		{FixedWindow, 10, time.Hour, 0, true, 1<<59 - 1},
		{FixedWindow, 10, time.Minute, 0, true, 1 << 61}, // what was taken under the old limit is cut off
	} {
		cfg := Config{Algorithm: c.algorithm, Limit: c.limit, Per: c.per, Burst: c.burst}
		var before *rule
		if c.extraPeaks > 0 {
			before = newRule(Config{Algorithm: c.algorithm, Limit: c.extraPeaks, Per: c.per}, nil)
		}
		if r := newRule(cfg, before); r.pack.fits != c.wordTable {
			t.Errorf("%v %d in %v, burst %d: fits a word is %v", c.algorithm, c.limit, c.per, c.burst, r.pack.fits)
		}
	}
}

// beside returns a limiter of the same rule that keeps its keys in the other table.
func beside(t *rapid.T, c Config) *Limiter {
	l, err := New("rule", c)
	if err != nil {
		t.Fatal(err)
	}
	next := *l.setup.Load()
	r, other := next.engine.rule, *next.engine.rule
	other.pack.fits = false
	next.engine = newEngine(l, &other, next.engine.maxKeys, clock.Now())
	next.engine.rule = r
	l.setup.Store(next.ready())
	return l
}

// jumps draws how time goes on: by the steps of the rule, up to and beyond what a
// table can hold, and sometimes a little back.
func jumps(r *rule) *rapid.Generator[time.Duration] {
	reach := max(r.pack.horizon, 1)
	if !paced(r.algorithm) {
		reach = product(r.pack.windows, r.per).int64() / 4
	}
	reach = min(reach, 1<<56)
	token := max(r.per/max(r.limit, 1), 1)
	return rapid.OneOf(
		rapid.SampledFrom([]time.Duration{0, 0, 1, time.Duration(token), time.Duration(r.per), time.Duration(r.per) - 1, time.Second, time.Hour}),
		rapid.Map(rapid.Int64Range(0, r.per), func(d int64) time.Duration { return time.Duration(d) }),
		rapid.Map(rapid.Int64Range(1, time.Second.Nanoseconds()), func(d int64) time.Duration { return time.Duration(-d) }),
		rapid.Map(rapid.SampledFrom([]int64{1, 2, 3, 4, 7, 8}), func(n int64) time.Duration { return time.Duration(reach / 2 * n) }),
		rapid.Map(rapid.SampledFrom([]int64{-1, 1}), func(n int64) time.Duration { return time.Duration(reach/2 + n) }),
	)
}

// The two kinds of table answer alike, however far time goes on between two calls, and
// also where a reading of the clock comes up to a second late.
func TestPropertyBothTablesAnswerAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Config{
			Algorithm: rapid.SampledFrom([]Algorithm{GCRA, LeakyBucket, FixedWindow, SlidingWindow}).Draw(t, "algorithm"),
			Limit:     rapid.SampledFrom([]int64{1, 2, 3, 7, 10, 999, 65_536, 999_983}).Draw(t, "limit"),
			Per:       rapid.SampledFrom([]time.Duration{10, time.Millisecond, time.Second, time.Minute, 7 * time.Hour}).Draw(t, "per"),
		}
		if paced(c.Algorithm) {
			c.Burst = rapid.SampledFrom([]int64{1, 2, 5, 1000}).Draw(t, "burst")
		}
		one, err := New("rule", c)
		if err != nil {
			t.Fatal(err)
		}
		r, other := one.setup.Load().engine.rule, beside(t, c)
		if !r.pack.fits {
			return
		}
		now := clock.Instant(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "start"))
		latest, next := now, jumps(r)
		keys := []Key{KeyOf("a"), KeyOf("b"), KeyOf("c")}
		least, acts := int64(0), []string{"allow", "allow", "allow", "peek", "reserve", "refund"}
		if !paced(c.Algorithm) { // of a key that holds nothing they may or may not remember its window
			least, acts = 1, acts[:5]
		}
		var taken [][2]Decision
		for i := range rapid.IntRange(2, 40).Draw(t, "calls") {
			if at := max(latest, now).Add(next.Draw(t, "jump")); at < 1<<61 {
				now, latest = at, max(latest, at)
			}
			k, cost := keys[rapid.IntRange(0, 2).Draw(t, "key")], rapid.Int64Range(least, min(r.capacity, 3)).Draw(t, "cost")
			var got, want Decision
			what := rapid.SampledFrom(acts).Draw(t, "what")
			switch what {
			case "allow":
				got, want = one.AllowAt(now, k, cost), other.AllowAt(now, k, cost)
			case "peek":
				got, want = one.PeekAt(now, k, 1), other.PeekAt(now, k, 1)
			case "reserve":
				got, want = one.ReserveAt(now, k, cost).Decision, other.ReserveAt(now, k, cost).Decision
			case "refund":
				if len(taken) == 0 {
					continue
				}
				n := rapid.IntRange(0, len(taken)-1).Draw(t, "which")
				taken[n][0].RefundAt(now)
				taken[n][1].RefundAt(now)
				taken = slices.Delete(taken, n, n+1)
				continue
			}
			if got.OK != want.OK || got.Remaining != want.Remaining || got.RetryAfter != want.RetryAfter || got.ResetAfter != want.ResetAfter || got.Taken != want.Taken {
				t.Fatalf("%+v, step %d, %s of %d at %d:\nwords %+v\ncells %+v", c, i, what, cost, now, got, want)
			}
			if got.OK && got.Taken > 0 {
				taken = append(taken, [2]Decision{got, want})
			}
		}
	})
}

// A table is replaced before the present leaves what its words can hold, and not all
// the time. Beyond that nothing is decided by words.
func TestPropertyATableIsReplacedInTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRule(Config{
			Algorithm: rapid.SampledFrom([]Algorithm{GCRA, LeakyBucket, FixedWindow, SlidingWindow}).Draw(t, "algorithm"),
			Limit:     rapid.SampledFrom([]int64{1, 3, 10, 999, 65_536, 999_983, 1 << 26}).Draw(t, "limit"),
			Per:       rapid.SampledFrom([]time.Duration{10, time.Millisecond, time.Second, time.Minute, 7 * time.Hour}).Draw(t, "per"),
		}, nil)
		if !r.pack.fits {
			return
		}
		start := clock.Instant(rapid.Int64Range(-1<<50, 1<<50).Draw(t, "start"))
		base := r.baseFor(start)
		usable := func(at clock.Instant) bool {
			outside, q := r.far(base, at), question{now: at, cost: 1}
			if !paced(r.algorithm) {
				window := r.moment(at).window
				outside = window < base || window-base >= r.pack.windows
			}
			if _, ok := r.askWord(base, r.word(base, unused()), &q, &verdict{}); ok == outside {
				t.Fatalf("at %d the word answers: %v, it is outside: %v", at, ok, outside)
			}
			return !outside
		}
		if later := start.Add(time.Duration(rapid.Int64Range(0, leastHorizon/2).Draw(t, "soon"))); r.outgrown(base, later) || !usable(later) {
			t.Fatalf("%v later it is outgrown: %v, usable: %v", later.Sub(start), r.outgrown(base, later), usable(later))
		}
		if late := start.Add(-time.Duration(rapid.Int64Range(0, leastHorizon/2).Draw(t, "late"))); r.outgrown(base, late) || !usable(late) {
			t.Fatalf("%v before it is outgrown: %v, usable: %v", start.Sub(late), r.outgrown(base, late), usable(late))
		}
		reach := r.pack.horizon
		if !paced(r.algorithm) {
			reach = product(r.pack.windows, r.per).int64()
		}
		endless := reach > 1<<60
		reach = min(reach, 1<<60)
		after := start.Add(time.Duration(reach / 100 * rapid.Int64Range(10, 300).Draw(t, "percent")))
		if !usable(after) && !r.outgrown(base, after) {
			t.Fatalf("%v later it is neither usable nor outgrown", after.Sub(start))
		}
		if endless {
			return
		}
		for _, far := range []clock.Instant{clock.Min, clock.Max, start.Add(2*time.Duration(reach) + 1), start.Add(-2*time.Duration(reach) - 1)} {
			if usable(far) {
				t.Fatalf("at %d it is usable, from %d with a reach of %d", far, start, reach)
			}
			if r.outgrown(base, far) != (far > start) {
				t.Fatalf("at %d it is outgrown: %v, from %d", far, far <= start, start)
			}
		}
	})
}

// A key that is in the table is decided, reserved and refused without the lock.
func TestKnownKeysNeedNoLock(t *testing.T) {
	for _, a := range []Algorithm{GCRA, LeakyBucket, FixedWindow, SlidingWindow} {
		l, err := New("rule", Config{Algorithm: a, Limit: 2, Per: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		e, now, k := l.setup.Load().engine, clock.Now(), KeyOf("known")
		l.AllowAt(now, k, 1)
		shard := e.words.shard(k.Hash(key.All))
		shard.mu.Lock()
		for i, patience := range []int64{0, maxInt64, 0} {
			q, v := question{hash: k.Hash(key.All), now: now, cost: 1, patience: patience}, verdict{}
			if !e.words.ask(e, &q, &v) {
				t.Errorf("%v: call %d needs the lock", a, i)
			}
		}
		shard.mu.Unlock()
		if l.AllowAt(now, k, 1).OK {
			t.Errorf("%v: what was decided without the lock was not taken", a)
		}
	}
}
