package ratelimit_test

import (
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/ratelimit"
)

// Turns so far ahead that the state cannot hold them any more are refused; what was
// cut off would be one turn for many calls.
func TestTurnsOfTheFarFutureAreRefusedAndNeverGivenTwice(t *testing.T) {
	for _, c := range []struct {
		name   string
		config ratelimit.Config
		turns  int // how many there are
	}{
		{"in a word", ratelimit.Config{Limit: 1, Per: time.Hour, Burst: 100_000}, 1},
		{"in a word, an odd rate", ratelimit.Config{Limit: 7, Per: time.Hour, Burst: 30_000}, 5},
		{"beside the words", ratelimit.Config{Limit: 1, Per: 1 << 61, Burst: 1}, 3},
		{"beside the words, to the end", ratelimit.Config{Limit: 1, Per: 1 << 62, Burst: 1}, 1},
	} {
		l, turns, last := must(t, c.config), 0, time.Duration(-1)
		for range 100 {
			r := l.ReserveAt(0, user, max(c.config.Burst, 1))
			if !r.OK {
				if r.Decision.RetryAfter <= 0 {
					t.Errorf("%s: refused without a time to retry", c.name)
				}
				continue
			}
			if turns++; r.DelayAt(0) <= last {
				t.Fatalf("%s: turn %d is at %v, the one before at %v", c.name, turns, r.DelayAt(0), last)
			}
			last = r.DelayAt(0)
		}
		if turns != c.turns {
			t.Errorf("%s: %d turns, want %d", c.name, turns, c.turns)
		}
	}
}

// A turn that is given back with nobody behind it leaves no trace: receipts from
// before it stay good.
func TestACancelOfTheLastTurnSpoilsNoReceipts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 1, Per: time.Second, Burst: 2})
		first := l.Allow(user)
		take(l, user, 1)
		turn := l.Reserve(user, 1)
		turn.Cancel()
		first.Refund()
		if p := l.Peek(user); p.Remaining != 1 {
			t.Errorf("%d remain", p.Remaining)
		}
	})
}

// Each key is dropped once, and what is counted of them adds up.
func TestKeysAreCountedOnceWhenTheyComeAndWhenTheyGo(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		const spent, fresh = 500, 3000
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 2, Per: time.Second})
		for i := range spent {
			take(l, ratelimit.KeyOf("spent", i), 1)
		}
		time.Sleep(time.Minute)
		for i := range fresh {
			take(l, ratelimit.KeyOf("fresh", i), 1)
		}
		st := l.Status()
		if st.Evictions == 0 || st.Evictions > spent || st.TrackedKeys != spent+fresh-int64(st.Evictions) {
			t.Errorf("of %d keys, %d of them spent, %d were dropped and %d are tracked", spent+fresh, spent, st.Evictions, st.TrackedKeys)
		}
		for i := range fresh {
			if p := l.Peek(ratelimit.KeyOf("fresh", i)); a != ratelimit.LeakyBucket && p.Remaining != 1 || p.ResetAfter == 0 {
				t.Fatalf("key %d was dropped in use: %+v", i, p)
			}
		}
	})
}

// The log of a key forgets what has run out, however long the key is busy.
func TestALogOfABusyKeyDoesNotGrow(t *testing.T) {
	l := must(t, ratelimit.Config{Algorithm: ratelimit.SlidingLog, Limit: 10, Per: time.Second})
	now := clock.Instant(0)
	busy := func(calls int) {
		for range calls {
			now = now.Add(time.Second / 5)
			if d := l.AllowAt(now, user, 1); !d.OK || d.Remaining != max(10-int64(now/clock.Instant(time.Second/5)), 5) {
				t.Fatalf("at %v: %+v", time.Duration(now), d)
			}
		}
	}
	busy(100)
	if grown := testing.AllocsPerRun(1, func() { busy(10_000) }); grown > 2 {
		t.Errorf("10,000 calls of one key took new memory %v times", grown)
	}
}

// A reading of the clock that comes late is told the times from itself on.
func TestLateReadingsAreToldTheirOwnTimes(t *testing.T) {
	for a, times := range map[ratelimit.Algorithm][2]time.Duration{
		ratelimit.GCRA:          {1500 * time.Millisecond, 1500 * time.Millisecond},
		ratelimit.LeakyBucket:   {1500 * time.Millisecond, 1500 * time.Millisecond},
		ratelimit.FixedWindow:   {1500 * time.Millisecond, 1500 * time.Millisecond},
		ratelimit.SlidingWindow: {2500 * time.Millisecond, 2500 * time.Millisecond},
		ratelimit.SlidingLog:    {1500 * time.Millisecond, 1500 * time.Millisecond},
	} {
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 1, Per: time.Second})
		l.AllowAt(clock.Instant(10*time.Second), user, 1)
		late := clock.Instant(9500 * time.Millisecond)
		for what, d := range map[string]ratelimit.Decision{"allow": l.AllowAt(late, user, 1), "peek": l.PeekAt(late, user, 1)} {
			if d.OK || d.RetryAfter != times[0] || d.ResetAfter != times[1] {
				t.Errorf("%v: %s is told to retry after %v, and a reset after %v", a, what, d.RetryAfter, d.ResetAfter)
			}
		}
		paced := a == ratelimit.GCRA || a == ratelimit.LeakyBucket
		if d := l.AllowAt(late, user, 0); !paced && (!d.OK || d.RetryAfter != 0 || d.ResetAfter != times[1]) {
			t.Errorf("%v: a call that costs nothing: %+v", a, d)
		}
	}
}

// What a receipt gives back is at most what is there, also when the key began anew
// since.
func TestARefundAfterAResetGivesNoMoreThanWasTakenSince(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		if a == ratelimit.LeakyBucket {
			return // it has no quota, only places
		}
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 5, Per: time.Hour})
		old := l.AllowN(user, 3)
		_ = l.Reset(user, "")
		l.AllowN(user, 1)
		old.Refund()
		if p := l.Peek(user); p.Remaining < 4 || p.Remaining > 5 {
			t.Errorf("%d of 5 remain", p.Remaining)
		}
		if got := take(l, user, 20); got > 5 {
			t.Errorf("%d calls at one moment", got)
		}
	})
}

// A key that holds nothing was told a time until it would be as if never used, where a
// reading of the clock came late.
func TestALateReadingOfAnEmptyKeyHasNothingToWaitFor(t *testing.T) {
	for _, a := range []ratelimit.Algorithm{ratelimit.FixedWindow, ratelimit.SlidingWindow, ratelimit.SlidingLog} {
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 2, Per: time.Second})
		l.AllowAt(clock.Instant(10*time.Second), user, 0)
		d := l.AllowAt(clock.Instant(10*time.Second), user, 1)
		d.RefundAt(clock.Instant(10 * time.Second))
		if p := l.PeekAt(clock.Instant(9500*time.Millisecond), user, 1); !p.OK || p.ResetAfter != 0 {
			t.Errorf("%v: %+v", a, p)
		}
	}
}

// A change of one setting alone is in force from then on: a key that was never seen is
// decided as by a limiter that began with it.
func TestEverySettingOfTheRuleCountsWhenItChanges(t *testing.T) {
	begin := ratelimit.Config{Limit: 4, Per: time.Minute, Burst: 4}
	window := ratelimit.Config{Algorithm: ratelimit.FixedWindow, Limit: 4, Per: time.Minute}
	for name, c := range map[string][2]ratelimit.Config{
		"algorithm, paced":    {begin, {Algorithm: ratelimit.LeakyBucket, Limit: 4, Per: time.Minute, Burst: 4}},
		"algorithm, to pace":  {window, {Limit: 4, Per: time.Minute}},
		"algorithm, a window": {window, {Algorithm: ratelimit.SlidingWindow, Limit: 4, Per: time.Minute}},
		"algorithm, a log":    {window, {Algorithm: ratelimit.SlidingLog, Limit: 4, Per: time.Minute}},
		"limit":               {begin, {Limit: 5, Per: time.Minute, Burst: 4}},
		"burst":               {begin, {Limit: 4, Per: time.Minute, Burst: 5}},
		"per":                 {begin, {Limit: 4, Per: time.Hour, Burst: 4}},
		"limit of a window":   {window, {Algorithm: ratelimit.FixedWindow, Limit: 5, Per: time.Minute}},
		"per of a window":     {window, {Algorithm: ratelimit.FixedWindow, Limit: 4, Per: time.Hour}},
	} {
		changed, fresh := must(t, c[0]), must(t, c[1])
		start := clock.Now()
		if err := changed.ReconfigureAt(start, c[1]); err != nil || changed.Status().Revision != 2 {
			t.Fatalf("%s: revision %d, %v", name, changed.Status().Revision, err)
		}
		for i := range 40 {
			now := start.Add(time.Duration(i) * 7 * time.Second)
			got, want := changed.AllowAt(now, user, 1), fresh.AllowAt(now, user, 1)
			if got.OK != want.OK || got.Limit != want.Limit || got.Remaining != want.Remaining || got.RetryAfter != want.RetryAfter || got.ResetAfter != want.ResetAfter {
				t.Errorf("%s: call %d: changed %+v, begun so %+v", name, i, got, want)
				break
			}
		}
	}
}

// What a key took keeps its time when the limit changes; when the length of the window
// does, it counts from the change on, and for one new window at the most.
func TestAChangeKeepsTheTimeOfWhatWasTaken(t *testing.T) {
	start := clock.Instant(1000 * time.Hour)
	at := func(d time.Duration) clock.Instant { return start.Add(d) }
	change := func(l *ratelimit.Limiter, now clock.Instant, c ratelimit.Config) {
		t.Helper()
		if err := l.ReconfigureAt(now, c); err != nil {
			t.Fatal(err)
		}
	}
	remain := func(l *ratelimit.Limiter, now clock.Instant, want int64) {
		t.Helper()
		if p := l.PeekAt(now, user, 1); p.Remaining != want {
			t.Errorf("%v: %d remain after %v, want %d", l.Status().Config.Algorithm, p.Remaining, now.Sub(start), want)
		}
	}
	log := must(t, ratelimit.Config{Algorithm: ratelimit.SlidingLog, Limit: 10, Per: time.Hour})
	log.AllowAt(at(0), user, 5)
	log.AllowAt(at(30*time.Minute), user, 3)
	change(log, at(40*time.Minute), ratelimit.Config{Algorithm: ratelimit.SlidingLog, Limit: 12, Per: time.Hour})
	remain(log, at(time.Hour), 9)
	remain(log, at(90*time.Minute), 12)
	change(log, at(time.Hour), ratelimit.Config{Algorithm: ratelimit.SlidingLog, Limit: 12, Per: 10 * time.Minute})
	remain(log, at(69*time.Minute), 9)
	remain(log, at(70*time.Minute), 12)

	sliding := must(t, ratelimit.Config{Algorithm: ratelimit.SlidingWindow, Limit: 10, Per: time.Hour})
	sliding.AllowAt(at(0), user, 8)
	change(sliding, at(90*time.Minute), ratelimit.Config{Algorithm: ratelimit.SlidingWindow, Limit: 20, Per: time.Hour})
	remain(sliding, at(90*time.Minute), 16)
	remain(sliding, at(105*time.Minute), 18)
	remain(sliding, at(2*time.Hour), 20)

	for _, per := range []time.Duration{time.Minute, 24 * time.Hour} {
		fixed := must(t, ratelimit.Config{Algorithm: ratelimit.FixedWindow, Limit: 10, Per: time.Hour})
		fixed.AllowAt(at(0), user, 10)
		change(fixed, at(time.Minute), ratelimit.Config{Algorithm: ratelimit.FixedWindow, Limit: 10, Per: per})
		d := fixed.AllowAt(at(time.Minute), user, 1)
		if d.OK || d.RetryAfter <= 0 || d.RetryAfter > per {
			t.Errorf("an hour became %v: %+v", per, d)
		}
		remain(fixed, at(time.Minute).Add(d.RetryAfter), 10)
	}
}

// A change that leaves the rule as it is leaves its receipts good.
func TestAChangeBesideTheRuleLeavesReceiptsGood(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		begin := ratelimit.Config{Algorithm: a, Limit: 2, Per: time.Hour}
		room, shadow := begin, begin
		room.MaxKeys, shadow.Mode = 10, mode.Shadow
		for name, c := range map[string]ratelimit.Config{"max_keys": room, "mode": shadow} {
			l := must(t, begin)
			before := l.Peek(user)
			d := l.Allow(user)
			if err := l.Reconfigure(c); err != nil {
				t.Fatal(err)
			}
			d.Refund()
			if after := l.Peek(user); after.Remaining != before.Remaining || after.ResetAfter != before.ResetAfter {
				t.Errorf("%s: %+v, and before the call %+v", name, after, before)
			}
		}
	})
}

// A receipt from a window that does not count any more gives nothing back, least of all
// what others took in the windows since.
func TestAReceiptOfAWindowThatIsOverGivesNothingBack(t *testing.T) {
	for _, a := range []ratelimit.Algorithm{ratelimit.FixedWindow, ratelimit.SlidingWindow, ratelimit.SlidingLog} {
		l, start := must(t, ratelimit.Config{Algorithm: a, Limit: 10, Per: time.Hour}), clock.Instant(1000*time.Hour)
		for windows := range 4 {
			old := l.AllowAt(start, user, 4)
			for i := 1; i <= windows; i++ {
				l.AllowAt(start.Add(time.Duration(i)*time.Hour), user, 5)
			}
			now := start.Add(time.Duration(windows)*time.Hour + 30*time.Minute)
			before := l.PeekAt(now, user, 1)
			old.RefundAt(now)
			after, want := l.PeekAt(now, user, 1), before.Remaining
			switch {
			case windows == 0:
				want = 10
			case windows == 1 && a == ratelimit.SlidingWindow:
				want += 2 // half of it counted still
			}
			if after.Remaining != want {
				t.Errorf("%v: %d windows later %d remained, and %d after the refund", a, windows, before.Remaining, after.Remaining)
			}
			_ = l.Reset(user, "")
			start = start.Add(100 * time.Hour)
		}
	}
}

// A cost that no rule admits is refused of a key in use as of one never seen: it takes
// nothing, gives nothing, and says what there is.
func TestImpossibleCostsOfAKeyInUse(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 5, Per: time.Hour})
		l.AllowN(user, 3)
		before := l.Peek(user)
		for _, cost := range []int64{-1, -3, math.MinInt64, 6, math.MaxInt64} {
			d := l.AllowN(user, cost)
			if d.OK || d.RetryAfter != 0 || d.Taken != 0 || d.Remaining != before.Remaining || d.Limit != 5 || !errors.Is(d.Err(), fault.InvalidArgument) {
				t.Errorf("cost %d: %+v", cost, d)
			}
		}
		if after := l.Peek(user); after.Remaining != before.Remaining || after.ResetAfter != before.ResetAfter {
			t.Errorf("before %+v, after %+v", before, after)
		}
		nothing := must(t, ratelimit.Config{Algorithm: a, Limit: -1, Per: time.Hour})
		if d := nothing.AllowN(user, -1); d.OK || !errors.Is(d.Err(), fault.RateLimited) {
			t.Errorf("a cost of -1 where nothing is admitted: %v", d.Err())
		}
	})
}

// A refusal is told a time after which the rules above admit the call as well.
func TestRetryAfterHoldsForTheRulesAboveThatWereNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spent := func(per time.Duration, how mode.Mode, opts ...ratelimit.Option) *ratelimit.Limiter {
			l := must(t, ratelimit.Config{Limit: 1, Per: per, Mode: how}, opts...)
			l.Allow(user)
			return l
		}
		for name, c := range map[string]struct {
			above *ratelimit.Limiter
			want  time.Duration
		}{
			"none":          {nil, time.Second},
			"free":          {must(t, ratelimit.Config{Limit: 9, Per: time.Hour}), time.Second},
			"sooner":        {spent(time.Millisecond, mode.Enforce), time.Second},
			"later":         {spent(time.Hour, mode.Enforce), time.Hour},
			"later, shadow": {spent(time.Hour, mode.Shadow), time.Second},
			"later, off":    {spent(time.Hour, mode.Off), time.Second},
			"never":         {must(t, ratelimit.Config{Limit: -1, Per: time.Hour}), 0},
			"the one above": {under(t, spent(time.Minute, mode.Enforce), ratelimit.Config{Limit: 9, Per: time.Hour}), time.Minute},
			"never, above":  {under(t, must(t, ratelimit.Config{Limit: -1, Per: time.Hour}), ratelimit.Config{Limit: 9, Per: time.Hour}), 0},
			"never, shadow": {must(t, ratelimit.Config{Limit: -1, Per: time.Hour, Mode: mode.Shadow}), time.Second},
		} {
			l := spent(time.Second, mode.Enforce)
			if err := l.SetParent(c.above); err != nil {
				t.Fatal(err)
			}
			if d := l.Allow(user); d.OK || d.RetryAfter != c.want {
				t.Errorf("%s: refused, and told to retry after %v, want %v", name, d.RetryAfter, c.want)
			}
		}
	})
}

// To look at a key counts nowhere, and a rule that is off still says what it would be.
func TestPeekingCountsNowhereAndOffHasItsNumbers(t *testing.T) {
	parent := must(t, ratelimit.Config{Limit: 1, Per: time.Hour})
	l := under(t, parent, ratelimit.Config{Limit: 5, Per: time.Hour})
	l.Peek(user)
	parent.Allow(user)
	l.Peek(user)
	for _, st := range []ratelimit.Status{l.Status(), parent.Status()} {
		calls := uint64(1)
		if st.Parent != "" {
			calls = 0
		}
		if st.Allowed+st.Denied+st.WouldRefuse != calls {
			t.Errorf("peeks were counted: %+v", st)
		}
	}
	off := must(t, ratelimit.Config{Limit: 5, Per: time.Hour, Mode: mode.Off})
	for range 7 {
		if d := off.Allow(user); !d.OK || d.Limit != 5 || d.Remaining != 5 || d.Err() != nil {
			t.Errorf("off: %+v", d)
		}
	}
}

// A turn is as late as the latest of the rules that a call counts against, also where
// another one is nearer to its end.
func TestAReservationTellsTheWaitOfTheSlowestRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent := must(t, ratelimit.Config{Limit: 2, Per: time.Hour})
		l := under(t, parent, ratelimit.Config{Limit: 1, Per: time.Second})
		l.Allow(user)
		r := l.Reserve(user, 1)
		if !r.OK || r.Delay() != time.Second || r.Decision.RetryAfter != time.Second || r.Decision.Limit != 2 || r.Decision.Remaining != 0 {
			t.Errorf("a delay of %v, %+v", r.Delay(), r.Decision)
		}
	})
}

// sharing returns two keys of one overflow bucket of a limiter with room for one key,
// which "tracked" has. Each of the two took one.
func sharing(t *testing.T, l *ratelimit.Limiter) (one, other ratelimit.Key) {
	t.Helper()
	take(l, ratelimit.KeyOf("tracked"), 1)
	one = ratelimit.KeyOf("one")
	fresh := l.Peek(one).Remaining
	take(l, one, 1)
	for i := 0; ; i++ {
		if other = ratelimit.KeyOf("other", i); l.Peek(other).Remaining == fresh-1 {
			take(l, other, 1)
			return one, other
		}
	}
}

// What was taken in an overflow bucket stays taken when the rule or the room changes,
// and a key that gets room takes its count along and leaves the bucket its own.
func TestOverflowBucketsKeepWhatWasTakenInThem(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		if a == ratelimit.LeakyBucket {
			return // it has no quota to keep
		}
		cfg := ratelimit.Config{Algorithm: a, Limit: 8, Per: time.Hour, MaxKeys: 1}
		l := must(t, cfg)
		one, other := sharing(t, l)
		remain := func(what string, k ratelimit.Key, want int64) {
			t.Helper()
			if p := l.Peek(k); p.Remaining != want {
				t.Errorf("%s: %d remain, want %d", what, p.Remaining, want)
			}
		}
		cfg.Limit = 10
		if err := l.Reconfigure(cfg); err != nil {
			t.Fatal(err)
		}
		remain("a greater limit", one, 8)
		_ = l.Reset(ratelimit.KeyOf("tracked"), "")
		take(l, one, 2)
		remain("with room of its own", one, 6)
		remain("left in the bucket", other, 8)
		take(l, other, 3)
		remain("beside the bucket", one, 6)
		remain("in the bucket", other, 5)
		if st := l.Status(); st.TrackedKeys != 1 {
			t.Errorf("%d keys are tracked", st.TrackedKeys)
		}
	})
}
