package shared_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// eternal is a rule whose tokens never come back, unless they are given back.
func eternal(a ratelimit.Algorithm, limit int64) *ratelimit.Config {
	c := &ratelimit.Config{Algorithm: a, Limit: limit, Per: 1e6 * time.Hour}
	if a == ratelimit.GCRA {
		c.Burst = limit
	}
	return c
}

// busy makes calls until n of them were decided by tokens that were taken ahead.
func busy(t *testing.T, r ratelimit.Remote, c *ratelimit.Config, n int) (last ratelimit.Decision, calls int64) {
	t.Helper()
	for n > 0 {
		last = take(t, r, c)
		synctest.Wait()
		calls++
		if last.Source == ratelimit.Prefetched {
			n--
		}
		if calls > 100_000 {
			t.Fatal("nothing is taken ahead")
		}
	}
	return last, calls
}

// left asks the store what it has left.
func left(t *testing.T, f *faulty, c *ratelimit.Config) int64 {
	t.Helper()
	d, err := f.Store.Peek(t.Context(), shared.Rule{Name: "rule", Config: *c}, user, 1)
	if err != nil {
		t.Fatal(err)
	}
	return d.Remaining
}

func TestAHotKeyAsksTheStoreSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), eternal(ratelimit.GCRA, 100_000)
		r := counters(t, store, shared.Options{}).Rule("rule", shared.Policy{Prefetch: 100})
		for range 10_000 {
			if d := take(t, r, rule); !d.OK || d.Taken != 1 || d.Limit != 100_000 {
				t.Fatalf("%+v", d)
			}
			synctest.Wait()
			if held := shared.StatusOf(r).Held; held > 100 {
				t.Fatalf("%d tokens are held", held)
			}
		}
		if n := store.takes.Load(); n > 250 {
			t.Errorf("10000 calls asked the store %d times", n)
		}
		st := shared.StatusOf(r)
		if st.Prefetch != 100 || left(t, store, rule)+st.Held != 90_000 {
			t.Errorf("%+v, and the store has %d left", st, left(t, store, rule))
		}
	})
}

func TestKeysThatAreUsedNowAndThenTakeNothingAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), eternal(ratelimit.GCRA, 100_000)
		r := counters(t, store, shared.Options{}).Rule("rule", shared.Policy{Prefetch: 100})
		for range 500 {
			if d := take(t, r, rule); d.Source != ratelimit.Shared {
				t.Fatalf("%+v", d)
			}
			<-time.After(20 * time.Millisecond)
		}
	})
}

func TestWhatWasTakenAheadIsGivenBack(t *testing.T) {
	type fixture struct {
		c    *shared.Counters
		r    ratelimit.Remote
		rule *ratelimit.Config
	}
	for name, act := range map[string]func(t *testing.T, f fixture){
		"when it is not used": func(*testing.T, fixture) { <-time.After(time.Second) },
		"when the policy changes": func(_ *testing.T, f fixture) {
			f.c.Rule("rule", shared.Policy{Prefetch: 50})
		},
		"when prefetching ends": func(_ *testing.T, f fixture) { f.c.Rule("rule", shared.Policy{}) },
		"when the rule is gone": func(_ *testing.T, f fixture) { f.c.Forget("rule") },
		"at the end": func(t *testing.T, f fixture) {
			if err := f.c.Close(t.Context()); err != nil {
				t.Error(err)
			}
		},
	} {
		for _, algorithm := range []ratelimit.Algorithm{ratelimit.GCRA, ratelimit.FixedWindow, ratelimit.SlidingWindow, ratelimit.SlidingLog} {
			t.Run(name+"/"+algorithm.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store, rule := newFaulty(), eternal(algorithm, 10_000)
					c := counters(t, store, shared.Options{})
					r := c.Rule("rule", shared.Policy{Prefetch: 100})
					_, calls := busy(t, r, rule, 50)
					if left(t, store, rule) == 10_000-calls || shared.StatusOf(r).Held == 0 {
						t.Fatal("nothing is held")
					}
					act(t, fixture{c, r, rule})
					synctest.Wait()
					if n := left(t, store, rule); n != 10_000-calls || shared.StatusOf(r).Held != 0 {
						t.Errorf("%d calls were made, and the store has %d of 10000 left", calls, n)
					}
				})
			})
		}
	}
}

func TestTokensAreNotUsedAfterAReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), eternal(ratelimit.GCRA, 10_000)
		r := counters(t, store, shared.Options{}).Rule("rule", shared.Policy{Prefetch: 100})
		busy(t, r, rule, 20)
		if err := r.Reset(t.Context(), ask(rule, user, 1)); err != nil {
			t.Fatal(err)
		}
		if d := take(t, r, rule); d.Source != ratelimit.Shared || d.Remaining != 9_999 {
			t.Errorf("%+v", d)
		}
		<-time.After(time.Second)
		if n := left(t, store, rule); n != 9_999 {
			t.Errorf("the store has %d left: what was taken before it forgot the key came back", n)
		}
	})
}

func TestTokensAreNotUsedUnderAnotherRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), eternal(ratelimit.GCRA, 10_000)
		r := counters(t, store, shared.Options{}).Rule("rule", shared.Policy{Prefetch: 100})
		busy(t, r, rule, 20)
		if d := take(t, r, eternal(ratelimit.GCRA, 20_000)); d.Source != ratelimit.Shared {
			t.Errorf("%+v", d)
		}
	})
}

func TestTokensOfAWindowEndWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		rule := &ratelimit.Config{Algorithm: ratelimit.FixedWindow, Limit: 1_000, Per: 100 * time.Millisecond}
		r := counters(t, store, shared.Options{}).Rule("rule", shared.Policy{Prefetch: 100})
		last, _ := busy(t, r, rule, 20)
		<-time.After(last.ResetAfter - 1)
		if d := take(t, r, rule); d.Source != ratelimit.Prefetched {
			t.Errorf("in the last moment of the window: %+v", d)
		}
		<-time.After(1)
		if d := take(t, r, rule); d.Source != ratelimit.Shared || d.Remaining != 999 {
			t.Errorf("in the next window: %+v", d)
		}
	})
}

func TestAPeekCountsWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), eternal(ratelimit.GCRA, 10_000)
		r := counters(t, store, shared.Options{}).Rule("rule", shared.Policy{Prefetch: 100})
		last, calls := busy(t, r, rule, 50)
		d, err := r.Peek(t.Context(), ask(rule, user, 1))
		if err != nil || !d.OK || d.Remaining != 10_000-calls || last.Remaining < d.Remaining {
			t.Errorf("after %d calls: %+v, %v; the last call said %+v", calls, d, err, last)
		}
		// Another instance takes what the store has.
		if _, err := store.Store.Take(t.Context(), shared.Rule{Name: "rule", Config: *rule}, user, left(t, store, rule)); err != nil {
			t.Fatal(err)
		}
		held := shared.StatusOf(r).Held
		if d, err = r.Peek(t.Context(), ask(rule, user, 1)); err != nil || !d.OK || d.RetryAfter != 0 || d.Remaining != held {
			t.Errorf("with %d held: %+v, %v", held, d, err)
		}
		if d, err = r.Peek(t.Context(), ask(rule, user, held+1)); err != nil || d.OK {
			t.Errorf("more than is held: %+v, %v", d, err)
		}
	})
}

func TestARefundGoesBackToTheTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), eternal(ratelimit.GCRA, 10_000)
		r := counters(t, store, shared.Options{}).Rule("rule", shared.Policy{Prefetch: 100})
		old, calls := busy(t, r, rule, 60)
		returned := 0
		for range 200 {
			d := take(t, r, rule)
			if synctest.Wait(); d.Source != ratelimit.Prefetched {
				calls++
				continue
			}
			before := shared.StatusOf(r).Held
			r.Refund(ask(rule, user, 1), d)
			if synctest.Wait(); shared.StatusOf(r).Held == before+1 {
				returned++
			}
		}
		if returned < 100 {
			t.Errorf("%d of 200 refunds went back to the tokens", returned)
		}
		_, more := busy(t, r, rule, 300) // of other batches
		sent := store.refunds.Load()
		r.Refund(ask(rule, user, 1), old)
		if synctest.Wait(); store.refunds.Load() != sent+1 {
			t.Error("a token of a batch that is gone was not given back to the store")
		}
		<-time.After(time.Second)
		if n := left(t, store, rule); n != 10_000-calls-more+1 {
			t.Errorf("%d calls were kept: the store has %d", calls+more-1, n)
		}
	})
}

func TestACallThatCostsMoreThanIsHeldTakesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), eternal(ratelimit.GCRA, 10_000)
		r := counters(t, store, shared.Options{}).Rule("rule", shared.Policy{Prefetch: 100})
		busy(t, r, rule, 50)
		held := shared.StatusOf(r).Held
		if d, err := r.Take(t.Context(), ask(rule, user, held+1)); err != nil || !d.OK || d.Source != ratelimit.Shared {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

func TestTheLastTokensAreTakenAheadAndUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), eternal(ratelimit.GCRA, 1_037)
		r := counters(t, store, shared.Options{}).Rule("rule", shared.Policy{Prefetch: 200})
		admitted := 0
		for range 2_000 {
			if take(t, r, rule).OK {
				admitted++
			}
			synctest.Wait()
		}
		if admitted != 1_037 {
			t.Errorf("%d calls were admitted of 1037", admitted)
		}
	})
}

func TestTokensThatAreTakenWhileTheStoreForgetsTheKeyAreVoid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), eternal(ratelimit.GCRA, 10_000)
		r := counters(t, store, shared.Options{Timeout: time.Second}).Rule("rule", shared.Policy{Prefetch: 100})
		busy(t, r, rule, 20)
		store.delay(10 * time.Millisecond)
		done := make(chan error)
		go func() { done <- r.Reset(t.Context(), ask(rule, user, 1)) }()
		synctest.Wait()
		store.delay(0)
		busy(t, r, rule, 20) // tokens that the store will not know of
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if d := take(t, r, rule); d.Source != ratelimit.Shared || d.Remaining != 9_999 {
			t.Errorf("%+v", d)
		}
	})
}
