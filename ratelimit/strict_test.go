package ratelimit_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/clock"
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
		for what, d := range map[string]ratelimit.Decision{"allow": l.AllowAt(late, user, 1), "peek": l.PeekAt(late, user)} {
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
		l.Reset(user, "")
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
