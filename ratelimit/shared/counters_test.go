package shared_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// goes makes the store of c go away.
func goes(t *testing.T, r ratelimit.Remote, f *faulty, c *ratelimit.Config) {
	t.Helper()
	f.fail(errDown)
	for range 3 {
		take(t, r, c)
	}
}

func TestAStoreThatFailsIsLeftAloneUntilItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule, told := newFaulty(), hourly(100), record(t)
		c := counters(t, store, shared.Options{Bus: told.bus})
		r := c.Rule("rule", shared.Policy{})
		if d := take(t, r, rule); d.Source != ratelimit.Shared || d.Remaining != 99 {
			t.Fatalf("%+v", d)
		}
		store.fail(errDown)
		for i := range 3 {
			if d := take(t, r, rule); d.Source != ratelimit.Fallback || d.Remaining != int64(98-i) {
				t.Errorf("call %d: %+v", i, d)
			}
		}
		began := time.Now()
		asked := store.takes.Load()
		for range 10 {
			take(t, r, rule)
		}
		if store.takes.Load() != asked || time.Since(began) != 0 {
			t.Errorf("while it is away the store was asked %d times", store.takes.Load()-asked)
		}
		<-time.After(time.Second) // probes fail
		if probes := store.takes.Load() - asked; probes < 2 || probes > 4 {
			t.Errorf("%d probes in the first second", probes)
		}
		store.fail(nil)
		<-time.After(2 * time.Second)
		if d := take(t, r, rule); d.Source != ratelimit.Shared || d.Remaining != 98 {
			t.Errorf("after it is back: %+v", d)
		}
		all := told.list()
		if len(all) != 2 {
			t.Fatalf("%+v", all)
		}
		failed, _ := all[0].(shared.StoreFailed)
		if failed.Cause != errDown.Error() || len(failed.Local) != 1 || failed.Local[0] != "rule" {
			t.Errorf("%+v", failed)
		}
		recovered, _ := all[1].(shared.StoreRecovered)
		if recovered.Fallback != 11 || recovered.Away < time.Second || recovered.Away > 3*time.Second {
			t.Errorf("%+v", recovered)
		}
	})
}

func TestTheStoreIsWaitedForNoLongerThanTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), hourly(100)
		r := counters(t, store, shared.Options{Timeout: 20 * time.Millisecond}).Rule("rule", shared.Policy{})
		store.stop()
		for i, want := range []time.Duration{20 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond, 0, 0} {
			began := time.Now()
			if d := take(t, r, rule); d.Source != ratelimit.Fallback || time.Since(began) != want {
				t.Errorf("call %d: %v after %v", i, d.Source, time.Since(began))
			}
		}
	})
}

func TestWhatIsDoneWithoutTheStore(t *testing.T) {
	for _, tc := range []struct {
		policy  shared.OnError
		admits  []bool
		refuses bool
	}{
		{shared.Local, []bool{true, true, false}, false},
		{shared.Allow, []bool{true, true, true}, false},
		{shared.Deny, nil, true},
	} {
		t.Run(tc.policy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, rule := newFaulty(), hourly(2)
				r := counters(t, store, shared.Options{}).Rule("rule", shared.Policy{OnError: tc.policy})
				store.fail(errDown)
				for i, want := range tc.admits {
					if d := take(t, r, rule); d.OK != want || d.Source != ratelimit.Fallback {
						t.Errorf("call %d: %+v", i, d)
					}
				}
				_, err := r.Take(t.Context(), ask(rule, user, 1))
				if refuses := errors.Is(err, errUnavailable); refuses != tc.refuses {
					t.Error(err)
				}
			})
		})
	}
}
