package storetest

import (
	"testing"
	"time"

	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// user does what a test does with one rule and key, and ends the test at the first error.
type user struct {
	*testing.T
	Harness

	rule shared.Rule
	key  ratelimit.Key
}

func newUser(t *testing.T, h Harness, rule shared.Rule) *user {
	t.Helper()
	h.Set(0)
	return &user{t, h, rule, ratelimit.KeyOf("key")}
}

// take takes cost at a time and compares what is left.
func (u *user) take(at time.Duration, cost int64, ok bool, left int64) ratelimit.Decision {
	u.Helper()
	u.Set(at)
	d, err := u.Store.Take(u.Context(), u.rule, u.key, cost)
	if err != nil || d.OK != ok || d.Remaining != left {
		u.Fatalf("%v: a take of %d at %v: %+v, %v; want %v and %d left", u.rule.Config.Algorithm, cost, at, d, err, ok, left)
	}
	return d
}

func (u *user) refund(at time.Duration, d ratelimit.Decision) {
	u.Helper()
	u.Set(at)
	if err := u.Store.Refund(u.Context(), u.rule, u.key, d); err != nil {
		u.Fatal(err)
	}
}

// each returns a rule of 10 a minute of every algorithm.
func each() []shared.Rule {
	var all []shared.Rule
	for _, a := range algorithms {
		all = append(all, shared.Rule{Name: a.String(), Config: ratelimit.Config{Algorithm: a, Limit: 10, Per: time.Minute}})
	}
	return all
}

func testPeek(t *testing.T, h Harness) {
	t.Helper()
	for _, rule := range each() {
		u := newUser(t, h, rule)
		peek := func(cost int64, ok bool, left int64, retry time.Duration) {
			t.Helper()
			d, err := h.Store.Peek(t.Context(), rule, u.key, cost)
			if err != nil || d.OK != ok || d.Remaining != left || d.RetryAfter != retry || d.Taken != 0 {
				t.Fatalf("%s: a peek for %d: %+v, %v", rule.Name, cost, d, err)
			}
		}
		peek(1, true, 10, 0)
		peek(10, true, 10, 0)
		peek(11, false, 10, 0)
		peek(-1, false, 10, 0)
		if rule.Config.Algorithm == ratelimit.LeakyBucket {
			u.take(0, 4, true, 7)
			peek(1, false, 7, 24*time.Second)
			continue
		}
		u.take(0, 4, true, 6)
		peek(6, true, 6, 0)
		d, err := h.Store.Peek(t.Context(), rule, u.key, 7)
		if err != nil || d.OK || d.RetryAfter == 0 {
			t.Fatalf("%s: %+v, %v", rule.Name, d, err)
		}
		u.take(0, 6, true, 0)
		peek(0, true, 0, 0)
	}
}

func testReset(t *testing.T, h Harness) {
	t.Helper()
	for _, rule := range each() {
		u := newUser(t, h, rule)
		u.take(0, 10, true, map[bool]int64{true: 1}[rule.Config.Algorithm == ratelimit.LeakyBucket])
		other := *u
		other.key = ratelimit.KeyOf("other")
		first := other.take(0, 1, true, other.fresh()-1)
		for range 2 { // also of a key that is not there
			if err := h.Store.Reset(t.Context(), rule, u.key); err != nil {
				t.Fatal(err)
			}
		}
		u.take(0, 1, true, u.fresh()-1)
		if d, err := h.Store.Peek(t.Context(), rule, other.key, 0); err != nil || d.Remaining != first.Remaining {
			t.Errorf("%s: a reset of another key: %+v, %v", rule.Name, d, err)
		}
	}
}

// fresh is what a key that was never used has left, and a leaky bucket after a call
// one more, for the place of the call itself.
func (u *user) fresh() int64 {
	if u.rule.Config.Algorithm == ratelimit.LeakyBucket {
		return 11
	}
	return 10
}

func testRefunds(t *testing.T, h Harness) {
	t.Helper()
	for _, rule := range each() {
		u := newUser(t, h, rule)
		full := u.fresh()
		d := u.take(0, 3, true, full-3)
		u.refund(0, ratelimit.Decision{}) // nothing was taken
		u.refund(0, d)
		u.take(0, 0, true, 10)
		d = u.take(0, 3, true, full-3)
		u.refund(time.Hour, d) // nothing of it counts
		u.take(time.Hour, 10, true, full-10)
	}
	u := newUser(t, h, shared.Rule{Name: "bucket", Config: ratelimit.Config{Limit: 1, Per: time.Second, Burst: 10}})
	start := time.Hour
	most, last := u.take(start, 8, true, 2), u.take(start, 1, true, 1)
	u.refund(start, most)
	start += 3 * time.Second // the key is as if never used; its second receipt is not
	u.take(start, 10, true, 0)
	u.refund(start, last)
	u.take(start, 1, false, 0)
	late := u.take(start+15*time.Second, 4, true, 6)
	u.refund(start+17*time.Second, late) // 2 of it have come back by themselves
	u.take(start+17*time.Second, 10, true, 0)
}

// testChange changes rules while their keys stay: what was taken stays taken.
func testChange(t *testing.T, h Harness) {
	t.Helper()
	now := time.Duration(0)
	for _, rule := range each() {
		if rule.Config.Algorithm == ratelimit.LeakyBucket {
			continue // its places are another thing than what is left; below
		}
		for _, to := range each() {
			now += time.Hour
			u := newUser(t, Harness{h.Store, func(at time.Duration) { h.Set(now + at) }, h.Tick}, rule)
			u.rule.Name += " to " + to.Name
			before := u.take(0, 8, true, 2)
			u.rule.Config = to.Config
			u.rule.Config.Limit = 12
			if to.Config.Algorithm == ratelimit.LeakyBucket {
				u.take(0, 1, false, 5)
				continue
			}
			u.take(0, 0, true, 4)
			u.refund(0, before) // from before the change
			u.take(0, 0, true, 4)
			u.rule.Config.Limit = 5
			if d := u.take(0, 1, false, 0); d.RetryAfter <= 0 || d.RetryAfter > 2*time.Minute {
				t.Errorf("%s: %+v", u.rule.Name, d)
			}
			u.rule.Config.Limit = 10
			d := u.take(0, 1, true, 1)
			u.refund(0, d)
			u.take(0, 2, true, 0)
		}
	}
	now += time.Hour
	u := newUser(t, Harness{h.Store, func(at time.Duration) { h.Set(now + at) }, h.Tick}, each()[0])
	u.rule.Name = "faster"
	u.take(0, 10, true, 0)
	u.rule.Config.Per = time.Second // ten tokens more every second, from now on
	u.take(0, 1, false, 0)
	u.take(500*time.Millisecond, 5, true, 0)
}
