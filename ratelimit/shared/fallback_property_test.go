package shared_test

import (
	"context"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// fleet is several processes, greedy callers in each, on one store that comes and goes.
type fleet struct {
	store *faulty
	rule  *ratelimit.Config
	all   []*shared.Counters

	admitted []time.Duration // when, since the start
	alone    []bool          // by the fall-back
}

func newFleet(rule *ratelimit.Config, n int, p shared.Policy) *fleet {
	f := &fleet{store: newFaulty(), rule: rule}
	for range n {
		c := shared.New(f.store, shared.Options{})
		c.SetInstances(n)
		c.Rule("rule", p)
		f.all = append(f.all, c)
	}
	return f
}

func (f *fleet) close() {
	for _, c := range f.all {
		_ = c.Close(context.Background())
	}
}

// call makes one call at an instance.
func (f *fleet) call(t *rapid.T, i int, began time.Time, p shared.Policy) {
	d, err := f.all[i].Rule("rule", p).Take(context.Background(), ratelimit.RemoteCall{
		Rule: "rule", Config: f.rule, Key: user, Cost: 1, Now: clock.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if d.OK {
		f.admitted = append(f.admitted, time.Since(began))
		f.alone = append(f.alone, d.Source == ratelimit.Fallback)
	}
}

// most returns the most that was admitted in any interval of length x.
func most(at []time.Duration, x time.Duration) (n int) {
	for i, j := 0, 0; j < len(at); j++ {
		for at[j]-at[i] >= x {
			i++
		}
		n = max(n, j-i+1)
	}
	return n
}

// Whenever the store goes and comes back: an interval sees at most what the store and the
// shares admit in it, about twice the limit, and one without the store at most the limit
// and one call for each instance.
func TestTheFallbackKeepsItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { rapid.SyncTest(t, checkBounds) })
}

func checkBounds(t *rapid.T) {
	n := rapid.IntRange(1, 5).Draw(t, "instances")
	limit := rapid.Int64Range(1, 60).Draw(t, "limit")
	policy := shared.Policy{Prefetch: rapid.SampledFrom([]int64{0, 0, 50}).Draw(t, "prefetch")}
	rule := &ratelimit.Config{Limit: limit, Per: time.Second, Burst: rapid.Int64Range(1, 60).Draw(t, "burst")}
	f := newFleet(rule, n, policy)
	defer f.close()
	began := time.Now()
	for range rapid.IntRange(1, 6).Draw(t, "turns") {
		f.store.fail(nil)
		f.run(t, began, policy, "up")
		f.store.fail(errDown)
		f.run(t, began, policy, "down")
	}
	var alone []time.Duration
	for i, at := range f.admitted {
		if f.alone[i] {
			alone = append(alone, at)
		}
	}
	held := policy.Prefetch * int64(n)
	for _, x := range []time.Duration{time.Second / 2, time.Second, 3 * time.Second} {
		whole := bound(rule.Burst, limit, 1, x)
		shares := bound(rule.Burst, limit, int64(n), x)
		if got := most(alone, x); got > shares {
			t.Errorf("alone %d calls in %v, the shares of %d instances admit %d", got, x, n, shares)
		}
		if got := most(f.admitted, x); got > whole+shares+int(min(held, min(limit, rule.Burst)/4)) {
			t.Errorf("%d calls in %v, the rule admits %d and the shares %d", got, x, whole, shares)
		}
	}
}

// bound is what the shares of n instances admit in x; of one, the rule.
func bound(burst, limit, n int64, x time.Duration) int {
	share := func(v int64) float64 { return math.Ceil(float64(v) / float64(n)) }
	return int(float64(n) * (share(burst) + math.Floor(share(limit)*x.Seconds())))
}

// run makes calls at all instances for a while.
func (f *fleet) run(t *rapid.T, began time.Time, p shared.Policy, what string) {
	until := time.Now().Add(time.Duration(rapid.Int64Range(10, 2_000).Draw(t, what)) * time.Millisecond)
	for time.Now().Before(until) {
		for i := range f.all {
			f.call(t, i, began, p)
		}
		<-time.After(3 * time.Millisecond)
	}
}

// Under fixed_window the windows of the shares are the store's, so that the window in which
// the store goes away sees no more than the limit twice, and one call for each instance.
func TestTheWindowInWhichTheStoreGoesAway(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { rapid.SyncTest(t, checkWindow) })
}

func checkWindow(t *rapid.T) {
	n := rapid.IntRange(1, 4).Draw(t, "instances")
	limit := rapid.Int64Range(1, 50).Draw(t, "limit")
	rule := &ratelimit.Config{Algorithm: ratelimit.FixedWindow, Limit: limit, Per: time.Second}
	f := newFleet(rule, n, shared.Policy{})
	defer f.close()
	phase := time.Duration(rapid.Int64Range(0, 999).Draw(t, "phase")) * time.Millisecond
	f.store.Store = shared.NewMemoryStore(func() time.Duration { return time.Duration(clock.Now().Add(phase)) })
	for i := range f.all { // each learns the windows
		f.call(t, i, time.Now(), shared.Policy{})
		<-time.After(time.Second)
	}
	end := f.freshWindow(t)
	only := rapid.Bool().Draw(t, "one instance has all of the limit")
	began := time.Now()
	f.admitted = nil
	for range limit {
		for i := range f.all {
			if i == 0 || !only {
				f.call(t, i, began, shared.Policy{})
			}
		}
	}
	<-time.After(time.Duration(rapid.Int64Range(0, 800).Draw(t, "until it fails")) * time.Millisecond)
	f.store.fail(errDown)
	for time.Since(began) < end {
		for i := range f.all {
			f.call(t, i, began, shared.Policy{})
		}
		<-time.After(5 * time.Millisecond)
	}
	if got := len(f.admitted); got > int(2*limit)+n {
		t.Errorf("%d calls in the window, the limit is %d and there are %d instances", got, limit, n)
	}
}

// freshWindow waits until a window has just begun and returns when it ends.
func (f *fleet) freshWindow(t *rapid.T) time.Duration {
	for {
		d, err := f.store.Store.Take(context.Background(), shared.Rule{Name: "clock", Config: *f.rule}, ratelimit.KeyOf(time.Now().UnixNano()), 1)
		if err != nil {
			t.Fatal(err)
		}
		if d.ResetAfter > 900*time.Millisecond {
			return d.ResetAfter
		}
		<-time.After(10 * time.Millisecond)
	}
}
