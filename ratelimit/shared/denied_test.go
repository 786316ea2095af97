package shared_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// refused is one call that must be refused.
func refused(t *testing.T, r ratelimit.Remote, c *ratelimit.Config, cost int64) ratelimit.Decision {
	t.Helper()
	d, err := r.Take(t.Context(), ask(c, user, cost))
	if err != nil || d.OK {
		t.Fatalf("%+v, %v", d, err)
	}
	return d
}

func TestARefusalIsRepeatedWithoutARoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		rule := &ratelimit.Config{Limit: 2, Per: 1200 * time.Millisecond, Burst: 2}
		r := counters(t, store, shared.Options{}).Rule("rule", shared.Policy{})
		take(t, r, rule)
		take(t, r, rule)
		if d := refused(t, r, rule, 1); d.Source != ratelimit.Shared || d.RetryAfter != 600*time.Millisecond || d.ResetAfter != 1200*time.Millisecond {
			t.Fatalf("%+v", d)
		}
		asked := store.takes.Load()
		for passed := range time.Duration(6) {
			d := refused(t, r, rule, 1)
			if d.Source != ratelimit.Cached || d.RetryAfter != (6-passed)*100*time.Millisecond || d.ResetAfter != (12-passed)*100*time.Millisecond || d.Limit != 2 {
				t.Errorf("after %v00 ms: %+v", passed, d)
			}
			if d := refused(t, r, rule, 2); d.Source != ratelimit.Cached || d.RetryAfter != (12-passed)*100*time.Millisecond {
				t.Errorf("after %v00 ms a call that costs 2: %+v", passed, d)
			}
			<-time.After(100 * time.Millisecond)
		}
		if store.takes.Load() != asked {
			t.Errorf("refusals asked the store %d times", store.takes.Load()-asked)
		}
		if d := take(t, r, rule); !d.OK || d.Source != ratelimit.Shared {
			t.Errorf("when the time has come: %+v", d)
		}
	})
}

func TestARefusalIsRepeatedForASecondAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), hourly(1)
		r := counters(t, store, shared.Options{}).Rule("rule", shared.Policy{})
		take(t, r, rule)
		refused(t, r, rule, 1)
		<-time.After(time.Second - 1)
		if d := refused(t, r, rule, 1); d.Source != ratelimit.Cached {
			t.Errorf("%+v", d)
		}
		<-time.After(1)
		if d := refused(t, r, rule, 1); d.Source != ratelimit.Shared {
			t.Errorf("%+v", d)
		}
	})
}

func TestWhatARefusalDoesNotAnswer(t *testing.T) {
	other := ratelimit.KeyOf("other")
	for name, act := range map[string]func(t *testing.T, c *shared.Counters, r ratelimit.Remote, call *ratelimit.RemoteCall, taken ratelimit.Decision){
		"a smaller cost": func(_ *testing.T, _ *shared.Counters, _ ratelimit.Remote, call *ratelimit.RemoteCall, _ ratelimit.Decision) {
			call.Cost = 1
		},
		"another key": func(_ *testing.T, _ *shared.Counters, _ ratelimit.Remote, call *ratelimit.RemoteCall, _ ratelimit.Decision) {
			call.Key = other
		},
		"another rule": func(_ *testing.T, _ *shared.Counters, _ ratelimit.Remote, call *ratelimit.RemoteCall, _ ratelimit.Decision) {
			call.Config = hourly(20)
		},
		"after a reset": func(t *testing.T, _ *shared.Counters, r ratelimit.Remote, call *ratelimit.RemoteCall, _ ratelimit.Decision) {
			if err := r.Reset(t.Context(), *call); err != nil {
				t.Error(err)
			}
		},
		"after a refund": func(_ *testing.T, _ *shared.Counters, r ratelimit.Remote, call *ratelimit.RemoteCall, taken ratelimit.Decision) {
			back := *call
			back.Cost = taken.Taken
			r.Refund(back, taken)
			synctest.Wait()
		},
		"no cost": func(_ *testing.T, _ *shared.Counters, _ ratelimit.Remote, call *ratelimit.RemoteCall, _ ratelimit.Decision) {
			call.Cost = 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, rule := newFaulty(), hourly(10)
				c := counters(t, store, shared.Options{})
				r := c.Rule("rule", shared.Policy{})
				taken, err := r.Take(t.Context(), ask(rule, user, 9))
				if err != nil {
					t.Fatal(err)
				}
				refused(t, r, rule, 5)
				call := ask(rule, user, 5)
				act(t, c, r, &call, taken)
				if d, err := r.Take(t.Context(), call); err != nil || !d.OK || d.Source != ratelimit.Shared {
					t.Errorf("%+v, %v", d, err)
				}
			})
		})
	}
}

// What is refused without the store, the store would refuse; and as long as nothing else is
// admitted, with the same numbers.
func TestTheNumbersOfARepeatedRefusalAreThoseOfTheStore(t *testing.T) {
	for _, algorithm := range []ratelimit.Algorithm{
		ratelimit.GCRA, ratelimit.FixedWindow, ratelimit.SlidingWindow, ratelimit.SlidingLog, ratelimit.LeakyBucket,
	} {
		t.Run(algorithm.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testNumbers(t, algorithm) })
		})
	}
}

func testNumbers(t *testing.T, algorithm ratelimit.Algorithm) {
	t.Helper()
	store := newFaulty()
	rule := &ratelimit.Config{Algorithm: algorithm, Limit: 7, Per: 900 * time.Millisecond}
	if algorithm == ratelimit.GCRA || algorithm == ratelimit.LeakyBucket {
		rule.Burst = 7
	}
	r := counters(t, store, shared.Options{}).Rule("rule", shared.Policy{})
	admitted := true // since the last refusal of the store
	for i := range 600 {
		call := ask(rule, user, int64(i/3%7+1))
		want, err := store.Store.Peek(t.Context(), shared.Rule{Name: "rule", Config: *rule}, user, call.Cost)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Take(t.Context(), call)
		if err != nil || got.OK != want.OK || got.RetryAfter > want.RetryAfter+1 || !admitted && got.RetryAfter < want.RetryAfter {
			t.Fatalf("call %d, cost %d: %+v, %v; the store says %+v", i, call.Cost, got, err, want)
		}
		admitted = got.OK || admitted && got.Source == ratelimit.Cached
		<-time.After(time.Duration(i%3*(i*7919%40)) * time.Millisecond)
	}
	if st := shared.StatusOf(r); st.Cached < 20 || st.Shared < 20 {
		t.Errorf("%+v", st)
	}
}
