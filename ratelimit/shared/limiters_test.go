package shared_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

func newLimiter(t *testing.T, name string, cfg ratelimit.Config) *ratelimit.Limiter {
	t.Helper()
	l, err := ratelimit.New(name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAParentThatRefusesGivesTheChildItsTokenBack(t *testing.T) {
	for _, prefetch := range []int64{0, 100} {
		synctest.Test(t, func(t *testing.T) {
			store := newFaulty()
			c := counters(t, store, shared.Options{})
			child := newLimiter(t, "rule", *eternal(ratelimit.GCRA, 10_000))
			parent := newLimiter(t, "parent", ratelimit.Config{Limit: 50, Per: time.Hour, Parts: 1})
			child.SetRemote(c.Rule("rule", shared.Policy{Prefetch: prefetch}))
			parent.SetRemote(c.Rule("parent", shared.Policy{}))
			if err := child.SetParent(parent); err != nil {
				t.Fatal(err)
			}
			admitted := 0
			for range 200 {
				if child.Allow(user).OK {
					admitted++
				}
				synctest.Wait()
			}
			<-time.After(time.Second)
			d, err := store.Store.Peek(t.Context(), shared.Rule{Name: "rule", Config: *eternal(ratelimit.GCRA, 10_000)}, user, 1)
			if err != nil || admitted != 50 || d.Remaining != 10_000-50 {
				t.Errorf("prefetch %d: %d were admitted, the child has %d of 10000 left, %v", prefetch, admitted, d.Remaining, err)
			}
		})
	}
}

func TestALimiterShowsWhereItsCallsAreDecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		c := counters(t, store, shared.Options{})
		c.SetInstances(2)
		l := newLimiter(t, "rule", ratelimit.Config{Limit: 4, Per: time.Hour})
		l.SetRemote(c.Rule("rule", shared.Policy{}))
		see := func(what string, ok bool, source ratelimit.Source) ratelimit.Decision {
			t.Helper()
			d := l.Allow(user)
			if d.OK != ok || d.Source != source {
				t.Errorf("%s: %+v", what, d)
			}
			return d
		}
		see("the store answers", true, ratelimit.Shared)
		store.fail(errDown)
		see("it does not", true, ratelimit.Fallback)
		d := see("it does not", false, ratelimit.Fallback)
		if err := d.Err(); !errors.Is(err, fault.RateLimited) {
			t.Error(err)
		}
		c.Rule("rule", shared.Policy{OnError: shared.Deny})
		d = l.Allow(user)
		if err := d.Err(); d.OK || !errors.Is(err, fault.Unavailable) || d.RetryAfter <= 0 || d.RetryAfter > time.Second {
			t.Errorf("%+v, %v", d, err)
		}
		if err := l.Reconfigure(ratelimit.Config{Limit: 4, Per: time.Hour, Mode: mode.Shadow}); err != nil {
			t.Fatal(err)
		}
		if d = l.Allow(user); !d.OK || !d.WouldRefuse() {
			t.Errorf("in shadow mode: %+v", d)
		}
		l.SetRemote(nil)
		see("alone", true, ratelimit.Local)
	})
}

func TestAResetReachesTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		c := counters(t, store, shared.Options{})
		l := newLimiter(t, "rule", *eternal(ratelimit.GCRA, 1_000))
		l.SetRemote(c.Rule("rule", shared.Policy{Prefetch: 50}))
		for range 1_100 {
			l.Allow(user)
			synctest.Wait()
		}
		if d := l.Allow(user); d.OK {
			t.Fatalf("%+v", d)
		}
		if err := l.Reset(user, "test"); err != nil {
			t.Fatal(err)
		}
		if d := l.Allow(user); !d.OK || d.Remaining != 999 {
			t.Errorf("%+v", d)
		}
	})
}
